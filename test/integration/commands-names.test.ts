import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { ask } from '../kit/ask.ts'
import { blob, digestOfBytes, hexOfBytes } from '../kit/blobs.ts'
import { type Ended, startCommand } from '../kit/command.ts'
import { blobPath, blobsOn } from '../kit/disk.ts'
import { createEveryKind, type EveryKind } from '../kit/every-kind.ts'
import { type House, startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { buildSif } from '../kit/sif.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const fingerprint = '0123456789ABCDEF0123456789ABCDEF01234567'
const signed = buildSif({
  partitions: [{ bytes: blob(60_000, 'root').bytes }, { bytes: blob(9000, 'data').bytes, fileSystem: 2, role: 3 }],
  signed: [{ fingerprint }],
  at: 1_700_000_000,
})
const arm = buildSif({ arch: 'arm64', partitions: [{ bytes: blob(5000, 'arm').bytes }] })
const weak = buildSif({ partitions: [{ bytes: blob(7000, 'weak').bytes }] })
const text = blob(3000, 'text')
const next = blob(3001, 'next')

// Whoever types a command must not have to know whether a server runs.
describe.each(['on the store alone', 'through a running server'])('%s', (how) => {
  let folder: TempFolder
  let kinds: EveryKind
  let house: House | undefined
  let store: string
  let site: string

  beforeAll(async () => {
    folder = await tempFolder()
    kinds = await createEveryKind()
    store = join(folder.path, 'store')
    site = join(folder.path, 'site.yaml')
    const { upstreams, outbound, more } = kinds.settings
    const publicUrl = 'https://forebay.site.example'
    const quick = { ...upstreams, data: { ...upstreams.data!, freshFor: '0s' } }
    await writeFile(site, stringify({ store: { path: store }, publicUrl, upstreams: quick, outbound, ...more }))
    if (how === 'through a running server')
      house = await startHouse({ ...kinds.settings, upstreams: quick, storePath: store, more: { ...more, publicUrl } })
    kinds.library.push('e/c/signed:v1', signed)
    kinds.library.push('e/c/signed:v1', arm, { arch: 'arm64' })
    kinds.shub.push('c/weak:latest', weak)
    kinds.pages.push('a/weak:v1', weak)
    kinds.files.put('d/signed copy.sif'.replace(' ', '%20'), signed)
    kinds.files.put('d/text.bin', text.bytes, { etag: '"1"' })
    kinds.files.put('d/wrong.bin', text.bytes)
    kinds.files.put('d/wrong.bin.sha256', hexOfBytes(next.bytes))
    kinds.files.put('d/SHA256SUMS', `${hexOfBytes(text.bytes)}  text.bin\n`)
  })
  afterAll(async () => {
    await kinds[Symbol.asyncDispose]()
    await house?.stop()
    await folder[Symbol.asyncDispose]()
  })

  const forebay = (...words: string[]): Promise<Ended> => startCommand([...words, '--config', site]).ended
  const path = (bytes: Uint8Array) => blobPath(store, digestOfBytes(bytes))
  const gets = async (reference: string) => (await forebay('get', reference)).text.trim()

  test('get brings each in by the name that clients have for it, and prints where it is', async () => {
    for (const [reference, bytes] of [
      ['library://e/c/signed:v1', signed],
      ['library://lab/e/c/signed:v1?arch=arm64', arm],
      ['shub://c/weak', weak],
      ['storage/a/weak:v1', weak],
      [`${kinds.files.base}/d/signed%20copy.sif`, signed],
      ['data/d/text.bin', text.bytes],
    ] as const) {
      const { code, text, stderr } = await forebay('get', reference)
      expect([reference, code, stderr]).toEqual([reference, 0, ''])
      expect([reference, text]).toEqual([reference, `${await path(bytes)}\n`])
      expect((await readFile(text.trim())).equals(bytes)).toBe(true)
    }
    expect(await blobsOn(store)).toHaveLength(4)
  })

  test('get of what is here brings no body again, by any of its names', async () => {
    const before = kinds.library.transfers + kinds.shub.bodies + kinds.pages.bodies + kinds.files.bodies
    expect(await gets('library://e/c/signed')).toBe('') // there is no tag "latest"
    expect(await gets('https://forebay.site.example/files/data/d/text.bin')).toBe(await path(text.bytes))
    expect(await gets(`library://e/c/signed:sha256.${hexOfBytes(signed)}`)).toBe(await path(signed))
    expect(await gets(`https://forebay.site.example/blobs/sha256/${hexOfBytes(weak)}`)).toBe(await path(weak))
    expect(await gets(`md5:${hexOfBytes(weak, 'md5')}`)).toBe(await path(weak))
    expect(kinds.library.transfers + kinds.shub.bodies + kinds.pages.bodies + kinds.files.bodies).toBe(before)
  })

  test('get -o writes a file out, and says nothing of manifests', async () => {
    const out = join(folder.path, 'out.sif')
    expect(await forebay('get', 'library://e/c/signed:v1', '-o', out)).toMatchObject({ code: 0, text: '', stderr: '' })
    expect((await readFile(out)).equals(signed)).toBe(true)
  })

  test('images lists each name, as it can be typed again', async () => {
    const { text: list } = await forebay('images')
    const names = list.split('\n').flatMap((line) => line.split(/ {2,}/)[2] ?? [])
    expect(names.slice(1)).toEqual([
      'data/d/signed%20copy.sif',
      'data/d/text.bin',
      'hub/c/weak:latest',
      'lab/e/c/signed:v1',
      'lab/e/c/signed:v1?arch=arm64',
      'storage/a/weak:v1',
    ])
    for (const name of ['lab/e/c/signed:v1?arch=arm64', 'storage/a/weak:v1']) expect((await forebay('verify', name)).code).toBe(0)
    const all = JSON.parse((await forebay('images', '--json')).text)
    expect(all).toContainEqual(
      expect.objectContaining({
        kind: 'file',
        name: 'data/d/text.bin',
        repository: 'd/text.bin',
        digest: text.digest,
        size: 3000,
        missing: 0,
      }),
    )
    expect(all).toContainEqual(
      expect.objectContaining({ kind: 'image', name: 'storage/a/weak:v1', pointer: 'v1', digest: digestOfBytes(weak) }),
    )
    expect((await forebay('images', 'data/*')).text.split('\n')).toHaveLength(4)
  })

  test('inspect tells all names of the bytes, their other digests, and what a SIF file says of itself', async () => {
    for (const reference of ['library://e/c/signed:v1', digestOfBytes(signed)]) {
      const { text: told } = await forebay('inspect', reference)
      for (const name of ['lab/e/c/signed:v1', 'data/d/signed%20copy.sif'])
        expect(told).toMatch(new RegExp(`^Name +${name}$`, 'm'))
      expect(told).toMatch(/^Image +lab\/e\/c\/signed:v1 is fresh/m)
      expect(told).toMatch(/^File +data\/d\/signed%20copy.sif is due to be confirmed/m)
      expect(told).toMatch(/^SIF +amd64$/m)
      expect(told).toMatch(/^Created +2023-11-14 /m)
      expect(told).toMatch(new RegExp(`^Signed +by ${fingerprint}, as it says$`, 'm'))
      expect(told).toMatch(/^ +1 {2}primary {2}squashfs +amd64 +59 KiB$/m)
      expect(told).toMatch(/^ +2 {2}data +ext3 +amd64 +8\.8 KiB$/m)
      expect(told).not.toContain('Vouched')
    }
    const found = JSON.parse((await forebay('inspect', 'library://e/c/signed:v1?arch=arm64', '--json')).text)
    expect(found).toMatchObject({
      digest: digestOfBytes(arm),
      vouched: 'strongly',
      sif: { arch: 'arm64', isSigned: false, fingerprints: [] },
    })
  })

  test('inspect says who vouches for the bytes, and by what', async () => {
    const { text: told } = await forebay('inspect', 'shub://c/weak')
    expect(told).toContain(`md5:${hexOfBytes(weak, 'md5')}`)
    expect(told).toMatch(/^Vouched +by an md5 alone/m)
    expect(told).toMatch(/^Name +storage\/a\/weak:v1$/m)
    const { text: listed } = await forebay('inspect', 'data/d/text.bin')
    expect(listed).toContain(`Checked    with ${kinds.files.base}/d/SHA256SUMS`)
    expect(listed).not.toMatch(/^(SIF|Vouched) /m)
  })

  test('metalink of a name has one file, called as a download of it is', async () => {
    const { text: document } = await forebay('metalink', 'library://e/c/signed:v1')
    expect(document).toContain('<file name="signed_v1.sif">')
    expect(document).toContain(`https://forebay.site.example/blobs/sha256/${hexOfBytes(signed)}`)
  })

  test.runIf(how === 'on the store alone').each([
    ['inspect', 'library://e/c/none:v1', 3],
    ['get', 'library://e/c/none:v1', 3],
    ['get', 'data/d/wrong.bin', 4],
    ['rm', 'data/none', 3],
    ['get', 'shub://nowhere.example/c/weak', 3],
    ['get', 'https://elsewhere.example/x.sif', 2],
    ['get', 'shub://weak', 2],
    ['inspect', 'data/../x', 2],
  ])('%s %s ends with exit code %i', async (command, reference, code) => {
    const ended = await forebay(command, reference)
    expect([ended.code, ended.text]).toEqual([code, ''])
    expect(ended.stderr).toMatch(new RegExp(`^forebay ${command} \\S+ .{20}`, 'm'))
  })

  test('rm forgets a name, and its bytes where nothing else names them', async () => {
    const first = await forebay('rm', 'storage/a/weak:v1')
    expect([first.code, first.text]).toEqual([0, 'removed storage/a/weak:v1\n0 B freed\n'])
    const second = await forebay('rm', 'shub://c/weak')
    expect(second.text).toContain(`removed hub/c/weak:latest\nremoved ${digestOfBytes(weak)}\n`)
    expect(await blobsOn(store)).not.toContain(digestOfBytes(weak))
    expect((await forebay('inspect', 'shub://c/weak')).code).toBe(3)
    if (house) expect((await ask(`${house.url}/blobs/sha256/${hexOfBytes(weak)}`)).status).toBe(404)
  })

  test('rm of a digest forgets every name of it', async () => {
    const { text: told } = await forebay('rm', digestOfBytes(signed))
    for (const name of ['data/d/signed%20copy.sif', 'lab/e/c/signed:v1', digestOfBytes(signed)])
      expect(told).toContain(`removed ${name}\n`)
    expect(await blobsOn(store)).not.toContain(digestOfBytes(signed))
    expect((await forebay('images', 'signed')).text).not.toMatch(/signed:v1$/m)
  })

  test('gc keeps what names reach', async () => {
    const before = await blobsOn(store)
    expect((await forebay('gc')).text).toBe('0 B freed\n')
    expect(await blobsOn(store)).toEqual(before)
    kinds.files.put('d/text.bin', next.bytes, { etag: '"2"' })
    kinds.files.put('d/SHA256SUMS', `${hexOfBytes(next.bytes)}  text.bin\n`)
    expect(await gets('data/d/text.bin')).toBe(await path(next.bytes))
    await forebay('gc') // what the name meant a moment ago may stay for a moment
    expect(await blobsOn(store)).toContain(next.digest)
  })
})
