import { lstatSync } from 'node:fs'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, digestOfBytes, MiB } from '../kit/blobs.ts'
import { type Ended, startCommand } from '../kit/command.ts'
import { blobPath, blobsOn, filesBelow } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { type Image, image, multiPlatform, sif } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { lab } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'tool', layers: [3000, 2 * MiB] })
const both = multiPlatform({ seed: 'both' })
const box = sif(70_000, 'box')
const loose = blob(5000, 'loose')
const sifFile = box.blobs[1]!

// The same story twice: whoever types a command must not have to know whether a server runs.
describe.each(['on the store alone', 'through a running server'])('%s', (how) => {
  let folder: TempFolder
  let upstream: FakeUpstream
  let house: House | undefined
  let store: string
  let site: string

  beforeAll(async () => {
    folder = await tempFolder()
    upstream = await createFakeUpstream()
    upstream.push('lab/tool', tool, 'v1')
    upstream.push('lab/both', both, 'v1')
    upstream.push('lab/box', box, 'v1')
    upstream.pushBlob('lab/box', loose)
    store = join(folder.path, 'store')
    site = join(folder.path, 'site.yaml')
    const upstreams = { [lab]: { kind: 'oci', url: upstream.url } }
    await writeFile(site, JSON.stringify({ store: { path: store }, upstreams, defaults: { oci: lab } }))
    if (how === 'through a running server') house = await startHouse({ storePath: store, upstreams })
  })
  afterAll(async () => {
    await upstream.close()
    await house?.stop()
    await folder[Symbol.asyncDispose]()
  })

  function forebay(...words: string[]): Promise<Ended> {
    return startCommand([...words, '--config', site]).ended
  }
  const heldOf = (one: Image) => [one.manifest.digest, ...one.blobs.map(({ digest }) => digest)]

  test('nothing is here at first', async () => {
    expect(await forebay('images')).toMatchObject({ code: 0, text: '', stderr: 'Nothing is here yet.\n' })
    expect(JSON.parse((await forebay('images', '--json')).text)).toEqual([])
  })

  test('get brings an image in with all it names, and prints where it is', async () => {
    const { code, text, stderr } = await forebay('get', `docker://${lab}/lab/tool:v1`)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(text).toBe(`${await blobPath(store, tool.manifest.digest)}\n`)
    expect(await readFile(text.trim())).toEqual(tool.manifest.bytes)
    expect(await blobsOn(store)).toEqual(expect.arrayContaining(heldOf(tool)))
    for (const { digest } of tool.blobs) expect(upstream.bodies(digest)).toBe(1)
  })

  test('get of what is here asks nobody', async () => {
    const before = upstream.requests.length
    expect((await forebay('get', `${lab}/lab/tool:v1`)).code).toBe(0)
    expect((await forebay('get', tool.blobs[2]!.digest)).text.trim()).toBe(await blobPath(store, tool.blobs[2]!.digest))
    expect(upstream.requests).toHaveLength(before)
  })

  test('get -o writes the SIF of an image that is one', async () => {
    const file = join(folder.path, 'box.sif')
    const { code, text, stderr } = await forebay('get', 'oras://lab.example/lab/box:v1', '-o', file)
    expect({ code, text, stderr }).toEqual({ code: 0, text: '', stderr: '' })
    expect(await readFile(file)).toEqual(sifFile.bytes)
    expect((await stat(file)).mode & 0o777).toBe(0o666 & ~process.umask())
    expect((await filesBelow(folder.path)).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('get -o - writes to standard output, and nothing else with it', async () => {
    const { code, stdout, stderr } = await forebay('get', `${lab}/lab/tool@${tool.manifest.digest}`, '--output=-')
    expect(code).toBe(0)
    expect(stdout).toEqual(tool.manifest.bytes)
    expect(stderr).toMatch(/^Note: this is the manifest/)
  })

  test('get -o into a folder that is not there leaves nothing and says so', async () => {
    const { code, stderr } = await forebay('get', sifFile.digest, '-o', join(folder.path, 'none', 'x'))
    expect(code).toBe(1)
    expect(stderr).toContain(join(folder.path, 'none', 'x'))
  })

  test('get --blob brings in one blob of a repository', async () => {
    const { code, text } = await forebay('get', '--blob', `${lab}/lab/box@${loose.digest}`)
    expect(code).toBe(0)
    expect(await readFile(text.trim())).toEqual(loose.bytes)
  })

  test('get of many platforms brings in what this machine runs', async () => {
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
    const ours = both.children.find(({ blobs }) => blobs[0]!.bytes.includes(`"${architecture}"`))!
    const other = both.children.find((child) => child !== ours)!
    expect((await forebay('get', `${lab}/lab/both:v1`)).code).toBe(0)
    const held = await blobsOn(store)
    expect(held).toEqual(expect.arrayContaining(heldOf(ours)))
    for (const digest of heldOf(other)) expect(held).not.toContain(digest)
  })

  test('images lists what is here, and by a part of the name', async () => {
    const { text } = await forebay('images')
    expect(text.split('\n').map((line) => line.split(/ {2,}/)[2])).toEqual([
      'REFERENCE',
      'lab.example/lab/both:v1',
      'lab.example/lab/box:v1',
      'lab.example/lab/tool:v1',
      undefined,
    ])
    expect(text).toMatch(/ all +lab\.example\/lab\/tool:v1 +2\.0 MiB /)
    expect(text).toMatch(/ all but \d +lab\.example\/lab\/both:v1 /)
    expect((await forebay('images', 'lab.example/*/b*:v1', '--json')).text).toContain('"repository": "lab/box"')
    const [only, ...more] = JSON.parse((await forebay('images', 'tool', '--json')).text)
    expect(more).toEqual([])
    expect(only).toMatchObject({
      upstream: lab,
      repository: 'lab/tool',
      pointer: 'v1',
      digest: tool.manifest.digest,
      size: heldSize(tool),
      missing: 0,
    })
    expect((await forebay('images', 'nothing-like-it')).stderr).toBe('Nothing here has such a name.\n')
  })

  test('inspect tells digest, place, names and parts', async () => {
    const { text } = await forebay('inspect', `${lab}/lab/tool:v1`)
    expect(text).toContain(tool.manifest.digest)
    expect(text).toContain(await blobPath(store, tool.manifest.digest))
    expect(text).toMatch(/Tag +lab\.example\/lab\/tool:v1 is fresh/)
    for (const { digest } of tool.blobs) expect(text).toMatch(new RegExp(`^yes +${digest}`, 'm'))
    const found = JSON.parse((await forebay('inspect', tool.blobs[1]!.digest, '--json')).text)
    expect(found).toMatchObject({ digest: tool.blobs[1]!.digest, size: 3000, parts: [] })
  })

  test.each([
    ['inspect', 'lab/unheard-of:v1'],
    ['get', 'lab/tool:none'],
    ['rm', `sha256:${'0'.repeat(64)}`],
    ['verify', 'lab/unheard-of:v1'],
    ['get', 'quay.io/org/tool:v1'],
  ])('%s %s is not found: exit code 3', async (...words) => {
    const { code, text, stderr } = await forebay(...words)
    expect({ code, text }).toEqual({ code: 3, text: '' })
    expect(stderr).toMatch(new RegExp(`^forebay ${words.join(' ')}: .*\n.*\n$`))
  })

  test.each([
    ['inspect', 'lab/tool:-bad'],
    ['get', '--blob', 'lab/tool:v1'],
    ['unheard-of', 'x'],
  ])('%s %s is wrong usage: exit code 2', async (...words) => {
    const { code, text, stderr } = await forebay(...words)
    expect({ code, text }).toEqual({ code: 2, text: '' })
    expect(stderr).toMatch(/^forebay/)
  })

  test('an upstream that cannot be reached is a failure: exit code 1, and what to do', async () => {
    await upstream.refuse()
    const { code, stderr } = await forebay('get', `${lab}/lab/tool:v2`)
    await upstream.reopen()
    expect(code).toBe(1)
    expect(stderr).toContain('cannot be reached')
    expect(stderr).toContain('outbound.httpsProxy')
  })

  test('verify finds nothing wrong in what is right', async () => {
    const blobs = await blobsOn(store)
    const { code, text } = await forebay('verify')
    expect(code).toBe(0)
    expect(text).toMatch(new RegExp(`^${blobs.length} blobs, .* checked, 0 bad\n$`))
  })

  test('verify sets aside what has rotted: exit code 4, and the next get mends it', async () => {
    const { digest, bytes } = tool.blobs[2]!
    const path = await blobPath(store, digest)
    await chmod(path, 0o600)
    await writeFile(path, Buffer.from(bytes).fill(7, 1000, 1001), { flag: 'r+' })
    const { code, stderr, text } = await forebay('verify', `${lab}/lab/tool:v1`)
    expect(code).toBe(4)
    expect(stderr).toContain(`bad: ${digest} has become sha256:`)
    expect(text).toContain('1 bad')
    expect(await blobsOn(store)).not.toContain(digest)
    expect(await filesBelow(join(store, 'quarantine'))).toHaveLength(1)
    const missing = JSON.parse((await forebay('images', 'tool', '--json')).text)
    expect(missing).toMatchObject([{ missing: 1 }])
    expect((await forebay('get', `${lab}/lab/tool:v1`)).code).toBe(0)
    expect(digestOfBytes(await readFile(path))).toBe(digest)
    expect(upstream.bodies(digest)).toBe(2)
    expect((await forebay('verify')).code).toBe(0)
  })

  test('rm of a part that an image needs removes nothing, and says so', async () => {
    const { code, text, stderr } = await forebay('rm', tool.blobs[1]!.digest)
    expect({ code, text }).toEqual({ code: 0, text: '0 B freed\n' })
    expect(stderr).toContain('an image that is here needs it')
    expect(await blobsOn(store)).toContain(tool.blobs[1]!.digest)
  })

  test('rm removes a name and its blobs, and leaves the others', async () => {
    const { code, text } = await forebay('rm', `${lab}/lab/tool:v1`)
    expect(code).toBe(0)
    expect(text).toMatch(/^removed lab\.example\/lab\/tool:v1\n/)
    expect(text).toMatch(/2\.0 MiB freed\n$/)
    const held = await blobsOn(store)
    for (const digest of heldOf(tool)) expect(held).not.toContain(digest)
    expect(held).toContain(sifFile.digest)
    expect((await forebay('inspect', `${lab}/lab/tool:v1`)).code).toBe(3)
    expect((await forebay('images', 'tool', '--json')).text.trim()).toBe('[]')
  })

  test('gc frees what nobody names', async () => {
    const stray = blob(4096, 'stray')
    const hex = stray.digest.slice('sha256:'.length)
    const shelf = join(store, 'blobs', 'sha256', hex.slice(0, 2))
    await mkdir(shelf, { recursive: true })
    await writeFile(join(shelf, hex), stray.bytes)
    expect(await blobsOn(store)).toContain(stray.digest)
    const { code, text } = await forebay('gc')
    expect(code).toBe(0)
    expect(text).toContain(`removed ${stray.digest}\n`)
    expect(await blobsOn(store)).not.toContain(stray.digest)
    expect(await blobsOn(store)).toContain(sifFile.digest)
    expect(JSON.parse((await forebay('gc', '--json')).text)).toEqual({ removed: [], freed: 0 })
  })

  test('Ctrl-C ends a get in good order, and what has arrived is kept', async () => {
    const gate = upstream.hold({ path: /blobs/ })
    const command = startCommand(['get', `${lab}/lab/tool:v1`, '--config', site])
    await gate.arrived()
    command.kill('SIGINT')
    const { code, stderr } = await command.ended
    gate.open()
    expect(code).toBe(1)
    expect(stderr).toContain('cancelled')
    expect((await forebay('images', '--json')).code).toBe(0)
  })
})

test.each([0, 2])('who hears that a server of %i workers is ready can give it commands', async (workers) => {
  await using folder = await tempFolder()
  const port = await deadPort()
  const upstreams = { [lab]: { url: 'http://127.0.0.1:1' } }
  const args = workers === 0 ? [] : ['--workers', String(workers)]
  const starting = startHouseProcess({ upstreams, storePath: folder.path, port, args })
  starting.catch(() => {})
  const status = () =>
    ask(`http://127.0.0.1:${port}/readyz`).then(
      ({ status }) => status,
      () => 0,
    )
  for (const end = Date.now() + 50_000; (await status()) !== 200 && Date.now() < end; )
    await new Promise((go) => setTimeout(go, 1))
  const socket = lstatSync(join(folder.path, 'command.sock'), { throwIfNoEntry: false }) // at once
  await using _ = await starting
  expect([socket?.isSocket(), (socket?.mode ?? 0) & 0o777]).toEqual([true, 0o600])
})

function heldSize(one: Image): number {
  return [one.manifest, ...one.blobs].reduce((sum, { bytes }) => sum + bytes.length, 0)
}
