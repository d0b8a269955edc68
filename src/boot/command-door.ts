import { chmod, rm } from 'node:fs/promises'
import { getRequestListener } from '@hono/node-server'
import type { Keeping } from '../catalog/catalog.ts'
import { createAdmin } from '../edge/routes/admin.ts'
import { fileMode } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { openSocketPath } from '../system/socket-path.ts'
import { type Listener, listen } from './listener.ts'

/** The door that commands come in by: a unix socket that nobody but our own user can open. @throws Fault 'listen-failed', 'disk-failed' */
export async function openCommandDoor(path: string, catalog: Keeping, log: Logger): Promise<Listener> {
  await rm(path, { force: true }) // we own the store, so whoever left it is gone
  const address = openSocketPath(path)
  try {
    const handle = getRequestListener(createAdmin(catalog, log).fetch, { overrideGlobalObjects: false })
    const door = await listen({ path: address.path }, handle)
    await chmod(path, fileMode)
    return {
      url: path,
      async close(signal) {
        await door.close(signal)
        address[Symbol.dispose]()
      },
    }
  } catch (error) {
    address[Symbol.dispose]()
    throw error
  }
}
