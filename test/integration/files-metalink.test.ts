import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, hexOfBytes, MiB } from '../kit/blobs.ts'
import { describeBlob, hashesOf } from '../kit/described-blob.ts'
import { blobsOn, spoolsOn, until, wrongBlobsOn } from '../kit/disk.ts'
import type { FakeFiles } from '../kit/files-upstream.ts'
import { createFilesWorld, type FilesWorld } from '../kit/files-world.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readMetalink } from '../kit/metalink-reply.ts'
import { tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const large = blob(24 * MiB, 'large')
const tool = blob(3000, 'tool')
const other = blob(3000, 'other')
const nowhere = ['https://127.0.0.1:1/x'] // private, and so never dialled

/** A world with a large file and its metalink, as somebody may have written it. */
async function withMetalink(
  document: (files: FakeFiles) => string,
  options: Parameters<typeof createFilesWorld>[0] = {},
): Promise<FilesWorld> {
  const world = await createFilesWorld({
    ...options,
    settings: { checksums: false, metalink: true, ...(options.settings as object) },
  })
  world.files.put('large.sif', large.bytes)
  world.files.put('large.sif.meta4', document(world.files), { mediaType: 'application/metalink4+xml' })
  return world
}

async function expectRight(world: FilesWorld): Promise<void> {
  expect(await ask(world.url('large.sif'))).toMatchObject({ status: 200, sha256: large.digest, end: 'clean' })
  await world.settled()
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
}

const bytesFrom = ({ files }: FilesWorld, on: 'registry' | 'cdn') =>
  files.requests
    .filter((one) => one.on === on && one.path.endsWith('/large.sif'))
    .reduce((sum, one) => sum + one.bodyBytesSent, 0)

describe('the metalink beside a file', () => {
  test('tells its hash before a byte has come, and places that help to bring it', async () => {
    const mirror = (files: FakeFiles) => describeBlob(large, [`${files.copy}/large.sif`])
    await using world = await withMetalink(mirror)
    const head = await ask(world.url('large.sif'), { method: 'HEAD' })
    expect(head.headers.digest).toBe(`SHA-256=${Buffer.from(large.digest.slice(7), 'hex').toString('base64')}`)
    world.files.fault({ on: 'registry', path: /large\.sif$/, method: 'GET' }, { bytesPerSecond: 4 * MiB })
    await expectRight(world)
    expect(bytesFrom(world, 'cdn')).toBeGreaterThan(4 * MiB)
    expect(bytesFrom(world, 'registry') + bytesFrom(world, 'cdn')).toBeLessThan(1.3 * large.bytes.length)
  })

  test('is passed on as a file of that name, and ours is given by type', async () => {
    await using world = await withMetalink(() => describeBlob(large, nowhere))
    const url = world.url('large.sif')
    expect((await ask(`${url}.meta4`)).body.toString()).toBe(describeBlob(large, nowhere))
    const ours = readMetalink(await ask(url, { headers: { accept: 'application/metalink4+xml' } }), world.house.url)
    expect(ours.files[0]).toMatchObject({ name: 'large.sif', size: large.bytes.length, sha256: large.digest.slice(7) })
  })

  test('with another hash refuses the file, and says who said so', async () => {
    await using world = await withMetalink(() => '')
    world.files.put('tool.sif', tool.bytes)
    world.files.put('tool.sif.meta4', describeBlob({ ...tool, digest: other.digest }, nowhere))
    const reply = await ask(world.url('tool.sif'))
    expect(reply.status).toBe(502)
    expect(reply.body.toString()).toContain(`checked against ${world.files.base}/tool.sif.meta4`)
    expect(await blobsOn(world.house.storePath)).toEqual([])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
    world.files.put('tool.sif.meta4', describeBlob(tool, nowhere))
    expect((await ask(world.url('tool.sif'))).sha256).toBe(tool.digest)
  })

  test.each([
    ['with wrong hashes of pieces', () => describeBlob(large, nowhere, hashesOf(large, 3))],
    ['with places that have something else', (files: FakeFiles) => describeBlob(large, [`${files.copy}/wrong.sif`])],
    ['with places that are nowhere', (files: FakeFiles) => describeBlob(large, [...nowhere, `${files.copy}/gone.sif`])],
    ['of other bytes, by its size', () => describeBlob(other, nowhere)],
    ['that is none', () => '<html>welcome</html>'],
    ['that is empty', () => ''],
    [
      'of several files, none of which it is',
      () =>
        describeBlob(large, nowhere).replace(/<file.*<\/file>/s, (one) => one.replace('layer', 'a') + one.replace('layer', 'b')),
    ],
  ])('%s does no harm', async (_, document) => {
    await using world = await withMetalink(document)
    world.files.put('wrong.sif', blob(large.bytes.length, 'wrong').bytes)
    await expectRight(world)
  })

  test('that cannot be had now does not keep the file from anybody', async () => {
    await using world = await withMetalink(() => describeBlob(large, nowhere))
    world.files.fault({ path: /meta4$/ }, { status: 429 })
    await expectRight(world)
  })

  test('agrees with the checksum beside the file, or nobody gets it', async () => {
    await using world = await withMetalink(() => describeBlob(large, nowhere), { settings: { checksums: true } })
    world.files.put('SHA256SUMS', `${hexOfBytes(large.bytes)}  large.sif\n`)
    await expectRight(world)
  })

  test('is not asked for where the settings do not say so', async () => {
    await using world = await withMetalink(() => describeBlob({ ...large, digest: other.digest }, nowhere), {
      settings: { metalink: false },
    })
    await expectRight(world)
    expect(world.files.asked()).toEqual(['HEAD large.sif', 'GET large.sif'])
  })
})

describe('a file that somebody vouches for', () => {
  const listed = (world: FilesWorld) => world.files.put('d/SHA256SUMS', `${hexOfBytes(tool.bytes)}  tool.sif\n`)

  test('comes from a mirror with the same files, and its upstream sends no body', async () => {
    await using world = await createFilesWorld({ settings: ({ copy }) => ({ mirrors: [{ kind: 'files', url: copy }] }) })
    world.files.put('d/tool.sif', tool.bytes)
    listed(world)
    expect((await ask(world.url('d/tool.sif'))).sha256).toBe(tool.digest)
    expect([world.files.bodiesOf('d/tool.sif'), world.files.bodiesOf('d/tool.sif', 'cdn')]).toEqual([0, 1])
    await world.settled()
    const { files } = readMetalink(await ask(`${world.url('d/tool.sif')}.meta4`), world.house.url)
    expect(files[0]!.urls.map(({ url }) => url)).toContain(`${world.files.copy}/d/tool.sif`)
  })

  test('comes from its upstream where the mirror has other bytes', async () => {
    await using world = await createFilesWorld({ settings: ({ copy }) => ({ mirrors: [{ kind: 'files', url: copy }] }) })
    world.files.put('d/tool.sif', tool.bytes)
    listed(world)
    world.files.fault({ on: 'cdn' }, { flipAt: 7 })
    expect((await ask(world.url('d/tool.sif'))).sha256).toBe(tool.digest)
    expect([world.files.bodiesOf('d/tool.sif'), world.files.bodiesOf('d/tool.sif', 'cdn')]).toEqual([1, 1])
  })

  test.each(['files', 'tree'])('comes from a folder here (%s)', async (kind) => {
    await using folder = await tempFolder()
    const path = kind === 'files' ? 'd/tool.sif' : `blobs/sha256/${tool.digest.slice(7)}`
    await mkdir(join(folder.path, path, '..'), { recursive: true })
    await writeFile(join(folder.path, path), tool.bytes)
    await using world = await createFilesWorld({ settings: { mirrors: [{ kind, url: pathToFileURL(folder.path).href }] } })
    world.files.put('d/tool.sif', tool.bytes)
    listed(world)
    expect((await ask(world.url('d/tool.sif'))).sha256).toBe(tool.digest)
    expect(world.files.bodiesOf('d/tool.sif')).toBe(0)
  })

  test('comes from another Forebay that holds it', async () => {
    await using far = await createFilesWorld()
    far.files.put('d/tool.sif', tool.bytes)
    await ask(far.url('d/tool.sif'))
    await far.settled()
    await using world = await createFilesWorld({ settings: { mirrors: [{ kind: 'forebay', url: far.house.url }] } })
    world.files.put('d/tool.sif', tool.bytes)
    listed(world)
    expect((await ask(world.url('d/tool.sif'))).sha256).toBe(tool.digest)
    expect([world.files.bodiesOf('d/tool.sif'), far.files.bodiesOf('d/tool.sif')]).toEqual([0, 1])
  })

  test('and nobody else: a mirror is never asked for what nothing tells the bytes of', async () => {
    await using world = await createFilesWorld({ settings: ({ copy }) => ({ mirrors: [{ kind: 'files', url: copy }] }) })
    world.files.put('d/tool.sif', tool.bytes)
    world.files.fault({ on: 'cdn' }, { flipAt: 7 })
    expect((await ask(world.url('d/tool.sif'))).sha256).toBe(tool.digest)
    expect(world.files.asked('cdn')).toEqual([])
    await until(async () => (await blobsOn(world.house.storePath)).length === 1, 'one blob')
  })
})
