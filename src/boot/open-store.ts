import type { OpenStore } from '../cli/command.ts'
import type { Config } from '../config/config.ts'
import { createLogger } from '../system/log.ts'
import { openHouse } from './house.ts'

/**
 * The house without doors, for one command. Its log goes to standard error and tells trouble only.
 *
 * @throws Fault 'store-locked', 'disk-failed'
 */
export async function openStore(config: Config, version: string): Promise<OpenStore> {
  const log = createLogger({ level: config.log.level === 'silent' ? 'silent' : 'error', fd: 2 })
  const { catalog, close } = await openHouse(config, { log, version })
  return {
    catalog,
    async close() {
      await close(AbortSignal.abort()) // what is not here yet when the command ends is kept as it is
      log.flush()
    },
  }
}
