import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from '../model/fault.ts'
import { fileFault, fileMode, folderMode } from '../system/files.ts'
import { makeOwnFile } from './own-file.ts'

export interface StoreLock {
  release(): void
}

/**
 * Makes this process the one owner of a store. SQLite's lock dies with the process, also by kill -9.
 *
 * @throws Fault 'store-locked' naming the owner, 'disk-failed'
 */
export function acquireStoreLock(path: string): StoreLock {
  try {
    mkdirSync(path, { recursive: true, mode: folderMode })
  } catch (error) {
    throw fileFault(error, path)
  }
  const ownerFile = join(path, 'owner.txt')
  let db: DatabaseSync | undefined
  try {
    const file = join(path, 'owner.lock')
    makeOwnFile(file)
    db = new DatabaseSync(file, { timeout: 0 })
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    if (!/locked|busy/i.test((error as Error).message))
      throw new Fault('disk-failed', { path, why: (error as Error).message }, { cause: error })
    throw new Fault('store-locked', { path, by: ownerOf(ownerFile) }, { cause: error })
  }
  writeFileSync(ownerFile, `process ${process.pid}\n`, { mode: fileMode })
  return {
    release() {
      rmSync(ownerFile, { force: true })
      db.close()
    },
  }
}

function ownerOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || 'another process'
  } catch {
    return 'another process'
  }
}

// statfs(2) magic numbers of file systems where locks and renames cross a network.
const networkFileSystems: Readonly<Record<number, string>> = {
  26985: 'NFS',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  428016422: 'BeeGFS',
  12805120: 'Ceph',
  1397113167: 'AFS',
  1702057286: 'FUSE',
}

/** The name of the network file system a folder lies on; undefined on local disks. */
export function networkFileSystem(path: string): string | undefined {
  return networkFileSystems[statfsSync(path).type]
}
