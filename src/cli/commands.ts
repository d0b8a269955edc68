import type { Command } from './command.ts'
import { clientConfig } from './commands/client-config.ts'
import { configCheck, configSchema } from './commands/config.ts'
import { gc } from './commands/gc.ts'
import { get } from './commands/get.ts'
import { images } from './commands/images.ts'
import { inspect } from './commands/inspect.ts'
import { metalink } from './commands/metalink.ts'
import { mirrors } from './commands/mirrors.ts'
import { pin, unpin } from './commands/pin.ts'
import { rm } from './commands/rm.ts'
import { serve } from './commands/serve.ts'
import { tokensIssue, tokensList, tokensRevoke } from './commands/tokens.ts'
import { verify } from './commands/verify.ts'

/** Everything that can be typed behind `forebay`, in the order of the help. */
export const commands: readonly Command[] = [
  serve,
  images,
  inspect,
  get,
  rm,
  pin,
  unpin,
  verify,
  gc,
  metalink,
  mirrors,
  tokensIssue,
  tokensList,
  tokensRevoke,
  clientConfig,
  configCheck,
  configSchema,
]
