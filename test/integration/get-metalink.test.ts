import { createHash } from 'node:crypto'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashNames } from '../../src/formats/hash-names.ts'
import { ask } from '../kit/ask.ts'
import { blob, type Content, digestOfBytes, KiB, MiB } from '../kit/blobs.ts'
import { type Ended, startCommand } from '../kit/command.ts'
import { blobPath, blobsOn, filesBelow, spoolsOn, until, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { lab } from '../kit/world.ts'

expectNoLeaks()

interface Described {
  readonly content: Content
  readonly urls: readonly string[] // best first
  readonly name?: string
  readonly hashes?: readonly (keyof typeof hashNames)[]
  readonly pieces?: 'right' | 'wrong'
}

/** A metalink by hand, as ours would refuse to print some of these. */
function metalink(...files: readonly Described[]): string {
  const printed = files.map(({ content: { bytes }, urls, name = 'file.bin', hashes = ['sha256'], pieces }) => {
    const whole = hashes.map((one) => `<hash type="${hashNames[one]}">${digestOfBytes(bytes, one).split(':')[1]}</hash>`)
    const places = urls.map((url, at) => `<url priority="${at + 1}">${url}</url>`)
    const parts = pieces ? [`<pieces length="${MiB}" type="sha-256">${hashesOf(bytes, pieces)}</pieces>`] : []
    return `<file name="${name}"><size>${bytes.length}</size>${[...whole, ...parts, ...places].join('')}</file>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">${printed.join('')}</metalink>`
}

function hashesOf(bytes: Buffer, kind: 'right' | 'wrong'): string {
  const parts = Array.from({ length: Math.ceil(bytes.length / MiB) }, (_, at) => bytes.subarray(at * MiB, (at + 1) * MiB))
  const hex = parts.map((part) => createHash('sha256').update(part).digest('hex'))
  return hex.map((one) => `<hash>${kind === 'right' ? one : '0'.repeat(64)}</hash>`).join('')
}

// The same story twice: whoever types a command must not have to know whether a server runs.
describe.each(['on the store alone', 'through a running server'])('%s', (how) => {
  let folder: TempFolder
  let servers: readonly FakeUpstream[]
  let house: House | undefined
  let store: string
  let site: string

  beforeAll(async () => {
    folder = await tempFolder()
    servers = await Promise.all([createFakeUpstream(), createFakeUpstream(), createFakeUpstream()])
    store = join(folder.path, 'store')
    site = join(folder.path, 'site.yaml')
    const upstreams = { [lab]: { kind: 'oci', url: 'http://127.0.0.1:9' } }
    const outbound = { allow: servers.map(({ host }) => host) }
    await writeFile(site, JSON.stringify({ store: { path: store }, upstreams, outbound }))
    if (how === 'through a running server') house = await startHouse({ storePath: store, upstreams, outbound })
  })
  afterAll(async () => {
    for (const server of servers) await server.close()
    await house?.stop()
    await folder[Symbol.asyncDispose]()
  })

  const forebay = (...words: string[]): Promise<Ended> => startCommand([...words, '--config', site], {}, folder.path).ended
  const at = (server: number, { digest }: Content) => `${servers[server]!.url}/v2/lab/files/blobs/${digest}`
  const bodies = (content: Content) => servers.map((server) => server.bodies(content.digest))

  /** Puts it on every server; its URLs there. */
  function everywhere(content: Content): readonly string[] {
    for (const server of servers) server.pushBlob('lab/files', content)
    return servers.map((_, server) => at(server, content))
  }

  async function document(name: string, text: string): Promise<string> {
    const path = join(folder.path, name)
    await writeFile(path, text)
    return path
  }

  test('a file that a metalink describes comes from its best place, and is kept', async () => {
    const content = blob(300 * KiB, 'kept')
    const file = await document('kept.meta4', metalink({ content, urls: everywhere(content) }))
    const { code, text, stderr } = await forebay('get', file)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(text).toBe(`${await blobPath(store, content.digest)}\n`)
    expect(bodies(content)).toEqual([1, 0, 0])
    expect((await forebay('gc')).code).toBe(0)
    expect((await forebay('get', file)).text).toBe(text)
    expect(bodies(content)).toEqual([1, 0, 0])
    expect(await readFile(text.trim())).toEqual(content.bytes)
    expect((await forebay('inspect', content.digest)).code).toBe(0)
    expect((await forebay('rm', content.digest)).code).toBe(0)
    expect(await blobsOn(store)).not.toContain(content.digest)
  })

  test('a metalink is read from a URL, and its file written out', async () => {
    const content = blob(200 * KiB, 'by url')
    const text = metalink({ content, urls: everywhere(content), name: 'other/name.bin' })
    servers[2]!.fault({ path: '/some.meta4' }, { status: 200, headers: { 'content-type': 'text/plain' }, body: text })
    const out = join(folder.path, 'out.bin')
    const ended = await forebay('get', `${servers[2]!.url}/some.meta4?signed=abc`, '-o', out)
    expect(ended).toMatchObject({ code: 0, text: '', stderr: '' })
    expect(await readFile(out)).toEqual(content.bytes)
    const piped = await forebay('get', `${servers[2]!.url}/some.meta4`, '-o', '-')
    expect(digestOfBytes(piped.stdout)).toBe(content.digest)
  })

  test('a place that is dead, or has it not, or lies, is followed by the next', async () => {
    const content = blob(3 * MiB, 'followed')
    const [first, second, third] = everywhere(content)
    servers[0]!.removeBlob('lab/files', content.digest)
    servers[1]!.fault({ path: content.digest }, { flipAt: 2 * MiB })
    const file = await document('f.meta4', metalink({ content, urls: ['http://127.0.0.1:1/dead', first!, second!, third!] }))
    expect(await forebay('get', file)).toMatchObject({ code: 0, text: `${await blobPath(store, content.digest)}\n` })
    expect(await wrongBlobsOn(store)).toEqual([])
    expect(bodies(content)).toEqual([0, 1, 1])
  })

  test('hashes of pieces put several places to work, and keep wrong pieces out', async () => {
    const content = blob(24 * MiB + 77, 'pieces')
    const urls = everywhere(content)
    servers[0]!.fault({ path: content.digest }, { bytesPerSecond: 6 * MiB })
    servers[1]!.fault({ path: content.digest }, { flipAt: (start) => (start < 10 * MiB ? 10 * MiB : -1) })
    const file = await document('p.meta4', metalink({ content, urls, pieces: 'right' }))
    expect(await forebay('get', file)).toMatchObject({ code: 0, text: `${await blobPath(store, content.digest)}\n` })
    expect(await wrongBlobsOn(store)).toEqual([])
    for (const server of servers) expect(server.bytesSent(content.digest)).toBeGreaterThan(0)
    const moved = servers.reduce((sum, server) => sum + server.bytesSent(content.digest), 0)
    expect(moved).toBeLessThan(2 * content.bytes.length)
  })

  test('hashes of pieces that are wrong are given up, as the digest decides', async () => {
    const content = blob(9 * MiB, 'wrong pieces')
    const file = await document('w.meta4', metalink({ content, urls: everywhere(content), pieces: 'wrong' }))
    expect((await forebay('get', file)).code).toBe(0)
    expect(await blobsOn(store)).toContain(content.digest)
  })

  test('a file that only a sha-512 tells is known by it', async () => {
    const content = blob(100 * KiB, 'sha512')
    const file = await document('s.metalink', metalink({ content, urls: everywhere(content), hashes: ['md5', 'sha512'] }))
    expect(await forebay('get', file)).toMatchObject({ code: 0, text: `${await blobPath(store, content.digest)}\n` })
    expect((await forebay('get', file)).code).toBe(0)
    expect(bodies(content)).toEqual([1, 0, 0])
  })

  test('wrong bytes from everywhere are an error of its own, and nothing is kept', async () => {
    const content = blob(50 * KiB, 'lies')
    const file = await document('l.meta4', metalink({ content, urls: everywhere(content) }))
    for (const server of servers) server.fault({ path: content.digest }, { flipAt: 7 })
    const { code, text, stderr } = await forebay('get', file)
    expect({ code, text }).toEqual({ code: 4, text: '' })
    expect(stderr).toContain(content.digest)
    expect(await blobsOn(store)).not.toContain(content.digest)
    await until(async () => (await spoolsOn(store)).length === 0, 'no spool')
  })

  test('several files are written below the folder, each under its name', async () => {
    const contents = [blob(10 * KiB, 'one'), blob(20 * KiB, 'two'), blob(0, 'empty')] as const
    const names = ['blobs/sha256/one', 'blobs/two', 'three']
    const text = metalink(...contents.map((content, at) => ({ content, urls: everywhere(content), name: names[at]! })))
    const file = await document('several.meta4', text)
    const out = join(folder.path, 'several')
    const { code, text: printed } = await forebay('get', file, '-o', out, '--json')
    expect(code).toBe(0)
    expect(await filesBelow(out)).toEqual([...names].sort())
    for (const [at, { bytes }] of contents.entries()) expect(await readFile(join(out, names[at]!))).toEqual(bytes)
    const told = JSON.parse(printed) as readonly { name: string; id: string; output: string }[]
    expect(told.map(({ name, id, output }) => [name, id, output])).toEqual(
      contents.map(({ digest }, at) => [names[at], digest, join(out, names[at]!)]),
    )
    expect((await forebay('get', file)).text.trim().split('\n')).toHaveLength(3)
    expect((await forebay('get', file, '-o', '-')).code).toBe(2)
  })

  test('a link in the folder leads no file out of it', async () => {
    const contents = [blob(KiB, 'inside'), blob(KiB, 'outside')] as const
    const out = join(folder.path, 'linked')
    const elsewhere = join(folder.path, 'elsewhere')
    await mkdir(out)
    await mkdir(elsewhere)
    await symlink(elsewhere, join(out, 'sub'))
    const names = ['inside', 'sub/deeper/outside']
    const text = metalink(...contents.map((content, at) => ({ content, urls: everywhere(content), name: names[at]! })))
    expect((await forebay('get', await document('linked.meta4', text), '-o', out)).code).toBe(2)
    expect(await filesBelow(elsewhere)).toEqual([])
  })

  // Once is enough: by then both ways are one.
  describe.runIf(how === 'through a running server')('is refused before anything is fetched:', () => {
    const content = blob(30 * KiB, 'refused')
    const from = (urls: readonly string[]) => urls
    test.each([
      ['a file without a strong hash', (urls) => metalink({ content, urls, hashes: ['md5', 'sha1'] }), 1, 'neither a sha-256'],
      ['a file without any hash', (urls) => metalink({ content, urls, hashes: [] }), 1, 'neither a sha-256'],
      [
        'one of two files without a hash',
        (urls) => metalink({ content, urls, name: 'a' }, { content, urls, name: 'b', hashes: [] }),
        1,
        'neither a sha-256',
      ],
      ['a name that leads out', (urls) => metalink({ content, urls, name: '../../etc/cron.d/x' }), 1, 'file name'],
      ['a name from the root', (urls) => metalink({ content, urls, name: '/etc/passwd' }), 1, 'file name'],
      ['two files of one name', (urls) => metalink({ content, urls, name: 'a' }, { content, urls, name: 'a' }), 1, 'one name'],
      ['a DOCTYPE', (urls) => metalink({ content, urls }).replace('?>', '?><!DOCTYPE metalink>'), 1, 'DOCTYPE'],
      ['an endless document', (urls) => `${metalink({ content, urls })}${' '.repeat(2 * MiB)}`, 1, 'limit'],
      ['what is no metalink', () => '<html>log in</html>', 1, 'not a metalink'],
      [
        'places that are private or no place',
        () => metalink({ content, urls: ['http://10.1.2.3/x', 'file:///etc/passwd'] }),
        1,
        '10.1.2.3',
      ],
      ['no place at all', () => metalink({ content, urls: from([]) }), 1, 'no place'],
    ] as const satisfies readonly (readonly [string, (urls: readonly string[]) => string, number, string])[])(
      '%s',
      async (_, textOf, want, why) => {
        const before = servers.map(({ requests }) => requests.length)
        const file = await document('refused.meta4', textOf(everywhere(content)))
        const { code, text, stderr } = await forebay('get', file, '-o', join(folder.path, 'refused'))
        expect({ code, text }).toEqual({ code: want, text: '' })
        expect(stderr).toContain(why)
        expect(servers.map(({ requests }) => requests.length)).toEqual(before)
        expect(await filesBelow(join(folder.path, 'refused'))).toEqual([])
        expect(await blobsOn(store)).not.toContain(content.digest)
      },
    )

    test.each([
      ['a metalink that is not there', 'missing.meta4', 3, 'missing.meta4'],
      ['one at a private address', 'https://10.1.2.3/x.meta4', 1, 'outbound.allow'],
      ['one at a place without https', 'http://metalinks.example/x.meta4?token=secret', 1, 'outbound.allow'],
    ])('%s', async (_, word, want, why) => {
      const { code, stderr } = await forebay('get', word)
      expect(code).toBe(want)
      expect(stderr).toContain(why)
      expect(stderr).not.toContain('secret')
    })
  })

  test('a metalink that a server does not have is not found', async () => {
    expect(await forebay('get', `${servers[0]!.url}/gone.meta4`)).toMatchObject({ code: 3, text: '' })
  })

  test('a file fetched so is given to no client that asks for it by its digest', async () => {
    const content = blob(5 * KiB, 'not for all')
    expect((await forebay('get', await document('n.meta4', metalink({ content, urls: everywhere(content) })))).code).toBe(0)
    if (!house) return
    expect((await ask(`${house.url}/blobs/${content.digest.replace(':', '/')}`)).status).toBe(404)
    expect((await ask(`${house.url}/v2/${lab}/lab/files/blobs/${content.digest}`)).status).toBe(502)
  })
})
