import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHasher, type Hasher } from '../../../src/system/hasher.ts'
import { blob, digestOfBytes, MiB } from '../../kit/blobs.ts'
import { calm, faultOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { expectNoLeaks, holdings } from '../../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('the hashing thread', () => {
  let folder: TempFolder
  let hasher: Hasher
  const { bytes, digest } = blob(5 * MiB + 3, 'hashed')
  const file = () => join(folder.path, 'file')

  beforeAll(async () => {
    folder = await tempFolder()
    await writeFile(file(), bytes)
    hasher = createHasher()
  })
  afterAll(async () => {
    await hasher.close()
    await folder[Symbol.asyncDispose]()
  })

  test('hashes a whole file, and the first part of one', async () => {
    expect(await hasher.whole(file(), bytes.length, ['sha512', 'sha256', 'md5'], calm)).toEqual([
      digestOfBytes(bytes, 'sha512'),
      digest,
      digestOfBytes(bytes, 'md5'),
    ])
    expect(await hasher.whole(file(), 1000, ['sha256'], calm)).toEqual([digestOfBytes(bytes.subarray(0, 1000))])
    expect(await hasher.whole(file(), 0, ['sha256'], calm)).toEqual([digestOfBytes(Buffer.alloc(0))])
  })

  test('reads no further than it was told, as later bytes may not be there yet', async () => {
    const path = join(folder.path, 'growing')
    await writeFile(path, Buffer.alloc(bytes.length)) // not yet the right bytes
    const hashing = hasher.start(path, ['sha256'])
    for (let front = 0; front < bytes.length; front += MiB) {
      await writeFile(path, Buffer.concat([bytes.subarray(0, front), Buffer.alloc(bytes.length - front)]), { flag: 'r+' })
      hashing.advance(front)
      await new Promise((go) => setTimeout(go, 5))
    }
    await writeFile(path, bytes, { flag: 'r+' })
    expect((await hashing.finish(bytes.length)).digests).toEqual([digest])
  })

  test('many files at once do not get mixed up', async () => {
    const sizes = Array.from({ length: 10 }, (_, at) => at * 500_000)
    const digests = await Promise.all(sizes.map((size) => hasher.whole(file(), size, ['sha256'], calm)))
    expect(digests.flat()).toEqual(sizes.map((size) => digestOfBytes(bytes.subarray(0, size))))
  })

  test('a file that is not there, or too short, is a fault and leaves the thread working', async () => {
    expect(await faultOf(hasher.whole(join(folder.path, 'none'), 5, ['sha256'], calm))).toBe('disk-failed')
    expect(await faultOf(hasher.whole(file(), bytes.length + 1, ['sha256'], calm))).toBe('disk-failed')
    expect(await hasher.whole(file(), bytes.length, ['sha256'], calm)).toEqual([digest])
  })

  test('who cancels lets go of the file', async () => {
    const before = (await holdings()).files.length
    const hashing = hasher.start(file(), ['sha256'])
    hashing.advance(2 * MiB)
    const result = hashing.finish(bytes.length)
    hashing.cancel()
    expect(await faultOf(result)).toBe('cancelled')
    await until(async () => (await holdings()).files.length === before, 'the file closed')
    const control = new AbortController()
    const whole = hasher.whole(file(), bytes.length, ['sha256'], control.signal)
    control.abort()
    expect(await faultOf(whole)).toBe('cancelled')
  })

  test.each([MiB, MiB - 1, 3 * MiB, 5 * MiB + 3, 8 * MiB])('hashes pieces of %i bytes in the same pass', async (length) => {
    const { digests, pieces } = await hasher.start(file(), ['sha256'], length).finish(bytes.length)
    const expected: string[] = []
    for (let at = 0; at < bytes.length; at += length) expected.push(digestOfBytes(bytes.subarray(at, at + length)).slice(7))
    expect(digests).toEqual([digest])
    expect(Buffer.from(pieces!).toString('hex')).toBe(expected.join(''))
  })

  test('closing fails what is under way', async () => {
    const other = createHasher()
    const result = other.start(file(), ['sha256']).finish(bytes.length)
    const closing = other.close()
    expect(await faultOf(result)).toBe('disk-failed')
    await closing
  })
})
