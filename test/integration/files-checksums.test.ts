import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, digestOfBytes, hexOfBytes, MiB } from '../kit/blobs.ts'
import { blobsOn, spoolsOn, until } from '../kit/disk.ts'
import { createFilesWorld, type FilesWorld } from '../kit/files-world.ts'
import { expectNoLeaks } from '../kit/leaks.ts'

expectNoLeaks()

const tool = blob(3000, 'tool')
const large = blob(3 * MiB, 'large')
const other = blob(3000, 'other')

async function expectRefused(world: FilesWorld, path: string, from: string): Promise<void> {
  const reply = await ask(world.url(path))
  expect(reply.status).toBe(502)
  expect(reply.body.toString()).toContain(`data/${path}, checked against ${world.files.base}/${from}, has the wrong content`)
  expect(await blobsOn(world.house.storePath)).toEqual([])
  await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
}

describe('a checksum beside a file', () => {
  test.each([
    ['tool.sif.sha256', `${hexOfBytes(tool.bytes)}  tool.sif\n`],
    ['tool.sif.sha256', hexOfBytes(tool.bytes)],
    ['tool.sif.sha512', `${hexOfBytes(tool.bytes, 'sha512')} *tool.sif\n`],
    ['SHA256SUMS', `${hexOfBytes(other.bytes)}  other.sif\n${hexOfBytes(tool.bytes)}  tool.sif\n`],
    ['SHA256SUMS.txt', `SHA256 (tool.sif) = ${hexOfBytes(tool.bytes)}\n`],
    ['sha256sum.txt', `${hexOfBytes(tool.bytes)}  ./tool.sif\n`],
  ])('as %s is what the file is known by before a byte of it has come', async (name, text) => {
    await using world = await createFilesWorld()
    world.files.put('d/tool.sif', tool.bytes)
    world.files.put(`d/${name}`, text)
    const head = await ask(world.url('d/tool.sif'), { method: 'HEAD' })
    const algorithm = name.endsWith('512') ? 'SHA-512' : 'SHA-256'
    expect(head.headers.digest).toMatch(new RegExp(`^${algorithm}=`))
    expect(await ask(world.url('d/tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest, end: 'clean' })
    expect(world.files.bodiesOf('d/tool.sif')).toBe(1)
  })

  test.each(['tool.sif.sha256', 'SHA256SUMS'])('that does not fit, in %s, refuses it until it does', async (name) => {
    await using world = await createFilesWorld()
    world.files.put('tool.sif', tool.bytes)
    world.files.put(name, `${hexOfBytes(other.bytes)}  tool.sif\n`)
    await expectRefused(world, 'tool.sif', name)
    await expectRefused(world, 'tool.sif', name)
    world.files.put(name, `${hexOfBytes(tool.bytes)}  tool.sif\n`)
    expect(await ask(world.url('tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
  })

  test('that does not fit a large file lets nobody have the end of it', async () => {
    await using world = await createFilesWorld()
    world.files.put('large.sif', large.bytes)
    world.files.put('SHA256SUMS', `${hexOfBytes(other.bytes)}  large.sif\n`)
    const reply = await ask(world.url('large.sif'))
    expect([reply.status, reply.end]).toEqual([200, 'cut'])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
    expect(await blobsOn(world.house.storePath)).toEqual([])
    world.files.put('large.sif', other.bytes)
    expect(await ask(world.url('large.sif'))).toMatchObject({ status: 200, sha256: other.digest })
  })

  test('is heard anew when the file changes, though its folder was asked a moment ago', async () => {
    await using world = await createFilesWorld({ settings: { freshFor: '0s' } })
    world.files.put('tool.sif', tool.bytes)
    world.files.put('SHA256SUMS', `${hexOfBytes(tool.bytes)}  tool.sif\n`)
    expect((await ask(world.url('tool.sif'))).sha256).toBe(tool.digest)
    world.files.put('tool.sif', other.bytes)
    world.files.put('SHA256SUMS', `${hexOfBytes(other.bytes)}  tool.sif\n`)
    expect(await ask(world.url('tool.sif'))).toMatchObject({ status: 200, sha256: other.digest })
  })

  test('two that disagree are one too many', async () => {
    await using world = await createFilesWorld({ settings: { metalink: true } })
    const wrong = digestOfBytes(other.bytes).slice('sha256:'.length)
    world.files.put('tool.sif', tool.bytes)
    world.files.put('tool.sif.sha256', hexOfBytes(tool.bytes))
    world.files.put('tool.sif.meta4', metalinkOf('tool.sif', wrong))
    const reply = await ask(world.url('tool.sif'))
    expect(reply.status).toBe(502)
    for (const word of ['tool.sif.sha256 says', 'tool.sif.meta4 says', tool.digest, wrong])
      expect(reply.body.toString()).toContain(word)
    expect(world.files.bodiesOf('tool.sif')).toBe(0)
  })

  test('is itself a plain file, and needs none', async () => {
    await using world = await createFilesWorld()
    world.files.put('d/SHA256SUMS', 'a list')
    world.files.put('d/x.sha256', 'one of them')
    for (const [path, text] of [
      ['d/SHA256SUMS', 'a list'],
      ['d/x.sha256', 'one of them'],
    ] as const)
      expect((await ask(world.url(path))).body.toString()).toBe(text)
    expect(world.files.asked()).toEqual(['HEAD d/SHA256SUMS', 'GET d/SHA256SUMS', 'HEAD d/x.sha256', 'GET d/x.sha256'])
  })

  test('with checksums: false nobody looks for one', async () => {
    await using world = await createFilesWorld({ settings: { checksums: false } })
    world.files.put('tool.sif', tool.bytes)
    world.files.put('tool.sif.sha256', hexOfBytes(other.bytes))
    expect((await ask(world.url('tool.sif'))).sha256).toBe(tool.digest)
    expect(world.files.asked()).toEqual(['HEAD tool.sif', 'GET tool.sif'])
  })
})

describe('what a folder has is remembered', () => {
  const names = Array.from({ length: 200 }, (_, at) => `many/file-${at}.bin`)

  test.each(['with a list', 'without a checksum anywhere'])('%s: many files cost few questions', async (how) => {
    await using world = await createFilesWorld()
    const bytes = (name: string) => Buffer.from(`these are the bytes of ${name}`)
    for (const name of names) world.files.put(name, bytes(name))
    const list = names.map((name) => `${hexOfBytes(bytes(name))}  ${name.slice(5)}\n`).join('')
    if (how === 'with a list') world.files.put('many/SHA256SUMS', list)
    for (let at = 0; at < names.length; at += 50) {
      const replies = await Promise.all(names.slice(at, at + 50).map((name) => ask(world.url(name))))
      for (const [index, reply] of replies.entries()) expect(reply.body).toEqual(bytes(names[at + index]!))
    }
    const own = new Set(names.flatMap((name) => [`HEAD ${name}`, `GET ${name}`]))
    const besides = world.files.asked().filter((one) => !own.has(one))
    expect(world.files.asked().length - besides.length).toBe(2 * names.length)
    expect(besides.length).toBeLessThan(30)
  })

  test('but a folder that has one for each is asked for each', async () => {
    await using world = await createFilesWorld()
    const few = names.slice(0, 20)
    for (const name of few) {
      world.files.put(name, tool.bytes)
      world.files.put(`${name}.sha256`, hexOfBytes(tool.bytes))
    }
    world.files.put(`${few.at(-1)}.sha256`, hexOfBytes(other.bytes))
    for (const name of few.slice(0, -1)) expect((await ask(world.url(name))).status).toBe(200)
    const wrong = await ask(world.url(few.at(-1)!))
    expect([wrong.status, wrong.sha256 === tool.digest]).toEqual([502, false])
  })
})

describe('a server that is no help', () => {
  test('answers everything with a page: files are served as they are', async () => {
    await using world = await createFilesWorld()
    world.files.put('tool.sif', tool.bytes)
    world.files.fault({ path: /sha|SHA/ }, { status: 200, body: '<html>welcome</html>' })
    expect(await ask(world.url('tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
  })

  test('fails when asked for checksums: the file is served, and the next question looks again', async () => {
    await using world = await createFilesWorld({ settings: { freshFor: '0s' } })
    world.files.put('tool.sif', tool.bytes)
    const fault = world.files.fault({ path: /sha|SHA/ }, { status: 429 })
    expect(await ask(world.url('tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
    await world.settled()
    expect(fault.hits).toBe(1)
    await world.restart()
    world.files.heal()
    world.files.put('tool.sif.sha256', hexOfBytes(other.bytes))
    const reply = await ask(world.url('tool.sif'))
    expect(reply.status).toBe(502)
  })

  test('has checksums without end: only so much is read', async () => {
    await using world = await createFilesWorld()
    world.files.put('tool.sif', tool.bytes)
    world.files.put('tool.sif.sha256', Buffer.alloc(MiB, 'x'))
    world.files.put('SHA256SUMS', Buffer.alloc(9 * MiB, 'x'))
    expect((await ask(world.url('tool.sif'))).sha256).toBe(tool.digest)
  })
})

test('fifty readers of a cold file with a checksum are one body and one question of each kind', async () => {
  await using world = await createFilesWorld()
  world.files.put('large.sif', large.bytes)
  world.files.put('SHA256SUMS', `${hexOfBytes(large.bytes)}  large.sif\n`)
  const gate = world.files.hold({ path: '/pub/large.sif', method: 'GET' })
  const readers = await Promise.all(
    Array.from({ length: 50 }, async (_, at) => {
      if (at === 0) void gate.arrived().then(() => gate.open())
      return open(world.url('large.sif'))
    }),
  )
  for (const reader of readers) expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: large.digest })
  expect(world.files.bodiesOf('large.sif')).toBe(1)
  const asked = world.files.asked()
  expect(asked).toHaveLength(new Set(asked).size)
})

function metalinkOf(name: string, sha256: string): string {
  return `<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="${name}"><hash type="sha-256">${sha256}</hash><url>https://127.0.0.1:1/${name}</url></file></metalink>`
}
