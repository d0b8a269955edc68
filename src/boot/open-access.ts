import type { Access, Tokens } from '../access/access.ts'
import type { Failures } from '../access/attempts.ts'
import { createAccess } from '../access/create-access.ts'
import { createTokens } from '../access/tokens.ts'
import type { Config } from '../config/config.ts'
import { type Clock, systemClock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'

/** Who may read what, with its users and tokens read. @throws Fault 'config-invalid', 'disk-failed' */
export function openAccess(config: Config, log: Logger, clock: Clock, failures: Failures): Promise<Access> {
  const all = [...config.upstreams.values()]
  return createAccess({
    settings: config.access,
    settingsFile: config.file,
    upstreams: all.filter(({ rights }) => rights === 'site').map(({ id }) => id),
    hasOthers: all.some(({ rights }) => rights !== 'site'),
    storePath: config.store.path,
    failures,
    clock,
    log,
  })
}

/** The tokens in the store of these settings, whether a server has it or not. */
export function openTokens(config: Config): Tokens {
  return createTokens(config.store.path, systemClock.now)
}
