import { chmod, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { fileMode } from '../system/files.ts'
import { openSocketPath } from '../system/socket-path.ts'
import { type Listener, listen } from './listener.ts'

/** The door that commands come in by: a unix socket that nobody but our own user can open. @throws Fault 'listen-failed', 'disk-failed' */
export async function openCommandDoor(path: string, handle: RequestListener): Promise<Pick<Listener, 'url' | 'close'>> {
  await rm(path, { force: true }) // we own the store, so whoever left it is gone
  const address = openSocketPath(path)
  try {
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
