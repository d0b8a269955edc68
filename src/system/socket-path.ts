import { closeSync, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileFault } from './files.ts'

const longest = 107 // bytes; unix(7): sun_path has 108, with the NUL

/** An address of a unix socket that the system takes, for as long as it is not closed. */
export interface SocketPath extends Disposable {
  readonly path: string
}

/** The path itself, or, where a deep folder makes it too long for a socket, a short one through the open folder. @throws Fault */
export function openSocketPath(path: string): SocketPath {
  if (Buffer.byteLength(path) <= longest) return { path, [Symbol.dispose]() {} }
  const folder = openFolder(dirname(path))
  return { path: `/proc/self/fd/${folder}/${basename(path)}`, [Symbol.dispose]: () => closeSync(folder) }
}

function openFolder(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw fileFault(error, path)
  }
}
