import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/model/fault.ts'
import { acquireStoreLock, networkFileSystem } from '../../../src/records/lock.ts'
import { faultOf } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('the lock of a store', () => {
  let folder: TempFolder
  beforeEach(async () => {
    folder = await tempFolder()
  })
  afterEach(() => folder[Symbol.asyncDispose]())
  const path = () => join(folder.path, 'store')

  test('has one owner, who is named to the next', async () => {
    const lock = acquireStoreLock(path())
    expect((await stat(path())).mode & 0o777).toBe(0o700)
    expect(() => acquireStoreLock(path())).toThrow(expect.objectContaining({ code: 'store-locked' }))
    try {
      acquireStoreLock(path())
    } catch (error) {
      expect((error as Fault<'store-locked'>).details.by).toBe(`process ${process.pid}`)
    }
    expect((await stat(join(path(), 'owner.lock'))).mode & 0o777).toBe(0o600)
    lock.release()
    await chmod(join(path(), 'owner.lock'), 0o644) // as earlier versions made it
    acquireStoreLock(path()).release()
    expect((await stat(join(path(), 'owner.lock'))).mode & 0o777).toBe(0o600)
    expect(await filesBelow(path())).toEqual(['owner.lock'])
  })

  test('dies with its process, also by kill -9', async () => {
    const script = `import { acquireStoreLock } from ${JSON.stringify(new URL('../../../src/records/lock.ts', import.meta.url).href)}
      globalThis.kept = acquireStoreLock(${JSON.stringify(path())}) // what nobody refers to may be collected, and closed
      console.log('held'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    try {
      await once(createInterface(child.stdout), 'line')
      try {
        acquireStoreLock(path())
        expect.unreachable()
      } catch (error) {
        expect((error as Fault).message).toContain(`process ${child.pid}`)
      }
    } finally {
      child.kill('SIGKILL')
      await ended
    }
    acquireStoreLock(path()).release()
  })

  test('a path that cannot be a folder is a fault that names it', async () => {
    await writeFile(path(), '')
    expect(await faultOf(() => acquireStoreLock(path()))).toBe('disk-failed')
    expect(await faultOf(() => acquireStoreLock(join(path(), 'below')))).toBe('disk-failed')
  })

  test('a lock file that is damaged is a fault and not a second owner', async () => {
    acquireStoreLock(path()).release()
    await writeFile(join(path(), 'owner.lock'), 'x'.repeat(5000))
    expect(await faultOf(() => acquireStoreLock(path()))).toBe('disk-failed')
    await chmod(join(path(), 'owner.lock'), 0o600)
  })

  test('a folder on a disk of this machine is no network file system', () => {
    expect(networkFileSystem(folder.path)).toBeUndefined()
    expect(networkFileSystem('/proc')).toBeUndefined()
  })
})
