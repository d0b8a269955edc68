import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, hexOfBytes, MiB } from '../kit/blobs.ts'
import { blobsOn, filesBelow, spoolsOn, until, untilRecorded, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeFiles, type FakeFileOptions } from '../kit/files-upstream.ts'
import { createFilesWorld } from '../kit/files-world.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const size = 8 * MiB
const first = blob(size, 'first')
const second = blob(size, 'second')
const longer = blob(size + 1000, 'longer')
const plain = { checksums: false }
const [saturday, sunday] = ['Sat, 01 Nov 2025 10:00:00 GMT', 'Sun, 02 Nov 2025 10:00:00 GMT']
const clock = createHurriedClock(20)

const byEtag = [{ etag: '"1"' }, { etag: '"2"' }] as const
const byDate = [
  { etag: undefined, lastModified: saturday },
  { etag: undefined, lastModified: sunday },
] as const
const byWeakEtag = [{ etag: 'W/"1"' }, { etag: 'W/"2"' }] as const // of one second
const byNothing = [
  { etag: undefined, lastModified: undefined },
  { etag: undefined, lastModified: undefined },
] as const
type Versions = readonly [FakeFileOptions, FakeFileOptions]

describe('a transfer that is cut in the middle', () => {
  test.each([
    ['an ETag', byEtag, '"1"'],
    ['a date', byDate, saturday],
    ['a date beside a weak ETag', byWeakEtag, saturday],
  ])('goes on where %s says that it is the same version', async (_, [one], validator) => {
    await using world = await createFilesWorld({ settings: plain, clock })
    world.files.put('x.bin', first.bytes, one)
    world.files.fault({ method: 'GET', nth: 1 }, { cutAfter: 4 * MiB })
    expect(await ask(world.url('x.bin'))).toMatchObject({ status: 200, sha256: first.digest, end: 'clean' })
    const { headers } = world.files.requests.at(-1)!
    expect(headers.range).toMatch(/^bytes=\d{7}-$/)
    expect(headers['if-range']).toBe(validator)
    expect(world.files.bodiesOf('x.bin')).toBe(2)
  })

  test.each([
    ['an ETag', byEtag],
    ['a date', byDate],
    ['a weak ETag', byWeakEtag],
    ['nothing', byNothing],
  ] as readonly (readonly [string, Versions])[])(
    'and whose file is another by then, as %s tells, is cut for who reads it; nothing of two versions is mixed',
    async (_, [before, after]) => {
      await using world = await createFilesWorld({ settings: plain, clock })
      world.files.put('x.bin', first.bytes, before)
      const replace = () => world.files.put('x.bin', second.bytes, after)
      world.files.fault({ method: 'GET', nth: 1 }, { cutAfter: 4 * MiB, afterwards: replace })
      const cut = await ask(world.url('x.bin'))
      expect([cut.status, cut.end]).toEqual([200, 'cut'])
      expect(cut.body.equals(first.bytes.subarray(0, cut.body.length))).toBe(true)
      await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
      expect(await blobsOn(world.house.storePath)).toEqual([])
      expect(await ask(world.url('x.bin'))).toMatchObject({ status: 200, sha256: second.digest, end: 'clean' })
    },
  )

  test('goes on from a server without ranges that sends all of the same version again', async () => {
    await using world = await createFilesWorld({ settings: plain, clock })
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    world.files.fault({ method: 'GET' }, { ignoreRange: true })
    world.files.fault({ method: 'GET', nth: 1 }, { cutAfter: 4 * MiB })
    expect(await ask(world.url('x.bin'))).toMatchObject({ status: 200, sha256: first.digest, end: 'clean' })
  })

  test('is not gone on with from a server that gives parts of whatever it has', async () => {
    await using world = await createFilesWorld({ settings: plain, clock })
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    world.files.fault(
      { method: 'GET', nth: 1 },
      { cutAfter: 4 * MiB, afterwards: () => world.files.put('x.bin', second.bytes, { etag: '"1"' }) },
    )
    world.files.fault({ method: 'GET', nth: 2 }, { etag: '"2"' })
    expect((await ask(world.url('x.bin'))).end).toBe('cut')
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })

  test('and whose checksum says what it should be is made whole from any place, whatever its validators say', async () => {
    await using world = await createFilesWorld({ clock })
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    world.files.put('SHA256SUMS', `${hexOfBytes(first.bytes)}  x.bin`)
    const touch = () => world.files.put('x.bin', first.bytes, { etag: '"2"' })
    world.files.fault({ method: 'GET', path: 'x.bin', nth: 3 }, { cutAfter: 4 * MiB, afterwards: touch }) // after those for checksums
    expect(await ask(world.url('x.bin'))).toMatchObject({ status: 200, sha256: first.digest, end: 'clean' })
    expect(world.files.bodiesOf('x.bin')).toBe(2)
  })
})

describe('a file that is replaced between question and bytes', () => {
  test.each([
    ['of the same size', second],
    ['of another size', longer],
  ])('by one %s is given as it is now, under its own version', async (_, next) => {
    await using world = await createFilesWorld({ settings: plain })
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    expect((await ask(world.url('x.bin'), { method: 'HEAD' })).headers.etag).toBe('"1"')
    world.files.put('x.bin', next.bytes, { etag: '"2"', lastModified: sunday })
    const reply = await ask(world.url('x.bin'))
    expect(reply).toMatchObject({ status: 200, sha256: next.digest, end: 'clean' })
    expect([reply.headers.etag, reply.headers['last-modified']]).toEqual(['"2"', sunday])
    await world.settled()
    const head = await ask(world.url('x.bin'), { method: 'HEAD' })
    expect([head.headers.etag, head.headers['last-modified'], head.headers['content-length']]).toEqual([
      '"2"',
      sunday,
      String(next.bytes.length),
    ])
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    const old = await ask(world.url('x.bin'), { headers: { 'cache-control': 'no-cache' } })
    expect([old.sha256, old.headers.etag]).toEqual([first.digest, '"1"'])
  })

  test('is not glued to what a client has of the one before', async () => {
    await using world = await createFilesWorld({ settings: plain })
    world.files.put('x.bin', first.bytes, { etag: '"1"' })
    await ask(world.url('x.bin'), { method: 'HEAD' })
    world.files.put('x.bin', second.bytes, { etag: '"2"' })
    const reply = await ask(world.url('x.bin'), { headers: { range: `bytes=${4 * MiB}-`, 'if-range': '"1"' } })
    expect([reply.status, reply.sha256]).toEqual([200, second.digest])
  })

  test('together with its checksum is given as it is now, though the old ones were to be trusted a while longer', async () => {
    await using world = await createFilesWorld()
    const put = ({ bytes }: typeof first) => {
      world.files.put('x.bin', bytes)
      world.files.put('SHA256SUMS', `${hexOfBytes(bytes)}  x.bin`)
    }
    put(blob(5000, 'one'))
    await ask(world.url('x.bin'), { method: 'HEAD' })
    put(blob(5000, 'two'))
    expect(await ask(world.url('x.bin'))).toMatchObject({ status: 200, sha256: blob(5000, 'two').digest })
  })
})

describe('after kill -9 in the middle of a file', () => {
  async function killed(versions: Versions, isReplaced: boolean) {
    const files = await createFakeFiles()
    const folder = await tempFolder()
    const settings = { upstreams: { data: { kind: 'files', url: files.base, ...plain, freshFor: '1h' } }, storePath: folder.path }
    files.put('x.bin', first.bytes, versions[0])
    const gate = files.hold({ method: 'GET', nth: 1 })
    gate.release(5 * MiB)
    {
      await using house = await startHouseProcess(settings)
      const reader = await open(`${house.url}/files/data/x.bin`)
      await reader.atLeast(4 * MiB)
      await untilRecorded(folder.path, MiB)
      await house.kill('SIGKILL')
      await reader.rest()
    }
    if (isReplaced) files.put('x.bin', second.bytes, versions[1])
    const house = await startHouseProcess(settings)
    return {
      files,
      path: folder.path,
      url: `${house.url}/files/data/x.bin`,
      async [Symbol.asyncDispose]() {
        await files[Symbol.asyncDispose]()
        await house.stop()
        await folder[Symbol.asyncDispose]()
      },
    }
  }

  test.each([
    ['ETag', byEtag],
    ['date', byDate],
  ] as readonly (readonly [string, Versions])[])('what is there of it is gone on with by its %s', async (_, versions) => {
    await using world = await killed(versions, false)
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: first.digest, end: 'clean' })
    const { headers } = world.files.requests.at(-1)!
    expect([headers.range, headers['if-range']]).toEqual([expect.stringMatching(/^bytes=\d{6,}-$/), versions[0].etag ?? saturday])
    expect(await wrongBlobsOn(world.path)).toEqual([])
  })

  test.each([
    ['ETag', byEtag],
    ['date', byDate],
    ['nothing', byNothing],
  ] as readonly (readonly [string, Versions])[])(
    'another version, by its %s, begins from its first byte',
    async (_, versions) => {
      await using world = await killed(versions, true)
      const reply = await ask(world.url)
      expect(reply).toMatchObject({ status: 200, sha256: second.digest, end: 'clean' })
      expect(await wrongBlobsOn(world.path)).toEqual([])
    },
  )
})

describe('what is known of files', () => {
  test('comes back from what lies beside the blobs when the records are lost', async () => {
    await using world = await createFilesWorld({ settings: { freshFor: '1h' }, clock })
    const small = blob(4000, 'small')
    world.files.put('a%20b/x.bin', first.bytes, { etag: '"1"' })
    world.files.put('d/y.bin', small.bytes)
    world.files.put('d/SHA256SUMS', `${hexOfBytes(small.bytes)}  y.bin`)
    for (const path of ['a%20b/x.bin', 'd/y.bin']) expect((await ask(world.url(path))).status).toBe(200)
    await world.settled()
    await world.house.stop({ keep: true })
    for (const file of await filesBelow(world.folder.path))
      if (file.startsWith('records.db')) await rm(join(world.folder.path, file))
    await world.files.refuse()
    await world.restart()
    for (const [path, digest] of [
      ['a%20b/x.bin', first.digest],
      ['d/y.bin', small.digest],
    ] as const) {
      const reply = await ask(world.url(path))
      expect([reply.status, reply.sha256, reply.headers['cache-status']]).toEqual([200, digest, 'forebay; hit'])
      expect((await ask(`${world.house.url}/blobs/${digest.replace(':', '/')}`)).sha256).toBe(digest)
    }
    expect((await ask(world.url('a%20b/x.bin'), { headers: { 'if-none-match': '"1"' } })).status).toBe(304)
  })
})
