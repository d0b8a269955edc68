import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { isHeld } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { bytesFrom, everywhere, fetchRight, layer } from '../kit/mirrored-blob.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

describe('a mirror that fails again and again', () => {
  test('is not asked any more', async () => {
    const blobs = Array.from({ length: 8 }, (_, at) => blob(KiB, `often ${at}`))
    await using world = await everywhere(1, ...blobs)
    world.mirrors[0]!.fault({}, { status: 500 })
    for (const { digest } of blobs) await fetchRight(world, digest)
    expect(world.mirrors[0]!.requests.length).toBeLessThanOrEqual(3)
  })

  test('is not asked any more though it answers every HEAD', async () => {
    const blobs = Array.from({ length: 8 }, (_, at) => blob(KiB, `head only ${at}`))
    await using world = await everywhere(1, ...blobs)
    world.mirrors[0]!.fault({ method: 'GET' }, { status: 500 })
    for (const { digest } of blobs) {
      await fetchRight(world, digest)
      await ask(world.blob('lab/tool', digest), { method: 'HEAD' })
    }
    expect(world.mirrors[0]!.count({ method: 'GET' })).toBe(3)
  })

  test('but not having a blob is no failure', async () => {
    const blobs = Array.from({ length: 6 }, (_, at) => blob(KiB, `absent ${at}`))
    await using world = await createMirroredWorld([{}])
    world.upstream.pushBlob('lab/tool', layer, ...blobs)
    world.mirrors[0]!.pushBlob('lab/tool', layer)
    for (const { digest } of blobs) await fetchRight(world, digest)
    await fetchRight(world)
    expect(bytesFrom(world)).toEqual([1, 0])
  })
})

describe('a folder of blobs', () => {
  const place = async (root: string, bytes: Uint8Array, digest = layer.digest) => {
    await mkdir(join(root, 'blobs', 'sha256'), { recursive: true })
    await writeFile(join(root, 'blobs', 'sha256', digest.slice(7)), bytes)
  }

  test('is read instead of the network', async () => {
    await using folder = await tempFolder()
    await place(folder.path, layer.bytes)
    const mirrors = [{ kind: 'tree', url: pathToFileURL(folder.path).href }]
    await using world = await createWorld({ settings: { mirrors } })
    world.upstream.pushBlob('lab/tool', layer)
    await fetchRight(world)
    expect(world.upstream.bodies(layer.digest)).toBe(0)
  })

  test('with a short or wrong file is passed over', async () => {
    await using folder = await tempFolder()
    const other = blob(40 * KiB, 'spoilt')
    await place(folder.path, layer.bytes.subarray(0, MiB))
    await place(folder.path, Buffer.alloc(40 * KiB), other.digest)
    const mirrors = [{ kind: 'tree', url: pathToFileURL(folder.path).href }]
    await using world = await createWorld({ settings: { mirrors } })
    world.upstream.pushBlob('lab/tool', layer, other)
    await fetchRight(world)
    await fetchRight(world, other.digest)
    expect(await isHeld(world.house.storePath, other.digest)).toBe(true)
  })

  test('that is not there is passed over', async () => {
    const mirrors = [{ kind: 'tree', url: 'file:///nonexistent/images' }]
    await using world = await createWorld({ settings: { mirrors } })
    world.upstream.pushBlob('lab/tool', layer)
    await fetchRight(world)
  })
})
