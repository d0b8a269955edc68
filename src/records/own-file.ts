import { chmodSync, closeSync, lstatSync, openSync } from 'node:fs'
import { fileMode } from '../system/files.ts'

const besides = ['', '-journal', '-wal', '-shm'] as const // what SQLite keeps beside it has the mode that it has

/**
 * Makes an empty file for SQLite, which itself would let everybody read it; one that is there is read by others no more. What
 * is wrong with the place is left to SQLite to tell. It is never opened where it is there: closing it again would let go of
 * the locks that this process has on it.
 */
export function makeOwnFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', fileMode))
  } catch {
    for (const suffix of besides) {
      try {
        if (lstatSync(path + suffix).isFile()) chmodSync(path + suffix, fileMode)
      } catch {
        // It is not there, or somebody else's.
      }
    }
  }
}
