import { join } from 'node:path'
import type { Config } from '../config/config.ts'

/** Where a running server listens for commands; only its own user may speak there. */
export function commandSocket(config: Config): string {
  return join(config.store.path, 'command.sock')
}
