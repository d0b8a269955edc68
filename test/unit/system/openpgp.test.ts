import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpenPgp, type OpenPgp, type OpenPgpSettings } from '../../../src/system/openpgp.ts'
import { blob, MiB } from '../../kit/blobs.ts'
import { calm, faultOf } from '../../kit/bytes.ts'
import { expectNoLeaks, holdings } from '../../kit/leaks.ts'
import { fingerprints, openPgpFile, passphrase, readOpenPgpFile } from '../../kit/openpgp.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

const names = ['publisher', 'stranger', 'expired', 'revoked', 'site', 'locked', 'offline']
const rings = new Map([
  ...names.map((name) => [name, readOpenPgpFile(`${name}.pub.asc`)] as const),
  ['both', readOpenPgpFile('stranger.pub.asc') + readOpenPgpFile('publisher.pub.asc')],
  ['secret', readOpenPgpFile('publisher.sec.asc')],
  ['garbage', 'ssh-rsa AAAA'],
  ['cut', `${readOpenPgpFile('publisher.pub.asc').slice(0, 300)}\n-----END PGP PUBLIC KEY BLOCK-----\n`],
])

async function withKey<Result>(key: OpenPgpSettings['key'], work: (openpgp: OpenPgp) => Promise<Result>): Promise<Result> {
  const openpgp = createOpenPgp({ key, rings })
  try {
    return await work(openpgp)
  } finally {
    await openpgp.close()
  }
}

describe('the key that signs', () => {
  const reportOf = (file: string, words?: string) =>
    withKey({ armored: readOpenPgpFile(file), passphrase: words }, (openpgp) => openpgp.key())

  test.each([
    ['ed25519, not protected', 'site', undefined],
    ['RSA, protected', 'locked', passphrase],
    ['a subkey without its primary key', 'offline', passphrase],
  ] as const)('may be %s', async (_, name, words) => {
    expect(await reportOf(`${name}.sec.asc`, words)).toEqual({ outcome: 'usable', fingerprint: fingerprints[name] })
  })

  test.each([
    ['no passphrase', 'locked.sec.asc', undefined, 'passphrase'],
    ['another passphrase', 'locked.sec.asc', 'open wheat', 'passphrase'],
    ['a public key', 'site.pub.asc', undefined, 'key'],
    ['garbage', 'signed.txt', undefined, 'key'],
    ['a key that has expired', 'expired.sec.asc', undefined, 'key'],
  ])('is refused with %s, and why is no secret', async (_, file, words, fault) => {
    const report = await reportOf(file, words)
    expect(report).toMatchObject({ outcome: 'refused', fault, why: expect.stringMatching(/\w/) })
    expect(JSON.stringify(report)).not.toMatch(/open wheat|BEGIN PGP/)
  })

  test('is none where none was given, and nothing can be signed', async () => {
    await withKey(undefined, async (openpgp) => {
      expect(await openpgp.key()).toBeUndefined()
      expect(await faultOf(openpgp.sign(Buffer.from('x')))).toBe('internal')
    })
  })
})

describe('public keys', () => {
  test.each([
    ['of one block', 'publisher', [fingerprints.publisher]],
    ['of two blocks, one after the other', 'both', [fingerprints.stranger, fingerprints.publisher]],
    ['that have expired, which vouch for what they signed in time', 'expired', [fingerprints.expired]],
  ])('%s are usable', async (_, ring, found) => {
    expect(await withKey(undefined, (openpgp) => openpgp.ring(ring))).toEqual({ outcome: 'usable', fingerprints: found })
  })

  test.each([
    ['a secret key', 'secret', 'secret'],
    ['what is no key', 'garbage', 'no armored'],
    ['half a key', 'cut', 'cannot be read'],
    ['a key that was revoked', 'revoked', 'revoked'],
  ])('%s is refused', async (_, ring, why) => {
    const report = await withKey(undefined, (openpgp) => openpgp.ring(ring))
    expect(report).toEqual({ outcome: 'refused', why: expect.stringContaining(why) })
  })
})

describe('a signature', () => {
  let folder: TempFolder
  let openpgp: OpenPgp
  const signed = openPgpFile('signed.txt')
  const size = Buffer.byteLength(readOpenPgpFile('signed.txt'))

  beforeAll(async () => {
    folder = await tempFolder()
    openpgp = createOpenPgp({ key: { armored: readOpenPgpFile('site.sec.asc'), passphrase: undefined }, rings })
  })
  afterAll(async () => {
    await openpgp.close()
    await folder[Symbol.asyncDispose]()
  })

  const verify = (signature: string, ring: string, path = signed, bytes = size) =>
    openpgp.verifyFile(path, bytes, signature, [ring], calm)

  test.each(['site', 'locked', 'offline'] as const)('made by %s is good, of a file and of bytes', async (name) => {
    const { bytes } = blob(3 * MiB + 7, 'signed')
    const path = join(folder.path, name)
    await writeFile(path, bytes)
    const key = { armored: readOpenPgpFile(`${name}.sec.asc`), passphrase }
    const [ofFile, ofBytes] = await withKey(key, (own) => Promise.all([own.signFile(path, bytes.length, calm), own.sign(bytes)]))
    for (const signature of [ofFile, ofBytes]) {
      expect(signature).toMatch(/^-----BEGIN PGP SIGNATURE-----\n\n[\w+/=\n]+\n-----END PGP SIGNATURE-----$/)
      expect(await verify(signature, name, path, bytes.length)).toEqual({ outcome: 'good', by: fingerprints[name] })
      expect(await verify(signature, name, path, bytes.length - 1)).toMatchObject({ outcome: 'bad' })
      expect(await verify(signature, 'publisher', path, bytes.length)).toMatchObject({ outcome: 'bad' })
    }
  })

  test('of nothing is one too', async () => {
    const path = join(folder.path, 'empty')
    await writeFile(path, '')
    const signature = await openpgp.signFile(path, 0, calm)
    expect(await verify(signature, 'site', path, 0)).toEqual({ outcome: 'good', by: fingerprints.site })
  })

  test.each(['signed.txt.asc', 'signed.txt.sig'])('of GnuPG in %s is read, armored, and good', async (file) => {
    const read = await openpgp.read(await readFile(openPgpFile(file)), ['both', 'site'])
    expect(read).toMatchObject({ issuers: [fingerprints.publisher], trusted: [fingerprints.publisher] })
    expect(await verify(read!.armored, 'both')).toEqual({ outcome: 'good', by: fingerprints.publisher })
  })

  test.each([
    ['by somebody who is not trusted', 'signed.txt.asc', 'stranger', 'not trusted'],
    ['over SHA-1', 'signed-sha1.asc', 'publisher', 'SHA1'],
    ['that has expired', 'signed-for-a-day.asc', 'publisher', 'expired'],
    ['from the future', 'signed-in-future.asc', 'publisher', 'future'],
    ['of text, which other bytes have too', 'signed-as-text.asc', 'publisher', 'no signature of bytes'],
    ['that is none', 'signed.txt', 'publisher', 'no signature'],
  ])('%s is not good', async (_, file, ring, why) => {
    expect(await verify(readOpenPgpFile(file), ring)).toEqual({ outcome: 'bad', why: expect.stringContaining(why) })
  })

  test('by a key that has expired since is good, as it was made in time', async () => {
    expect(await verify(readOpenPgpFile('signed-in-time.asc'), 'expired')).toEqual({ outcome: 'good', by: fingerprints.expired })
  })

  test('of other bytes is not good', async () => {
    const path = join(folder.path, 'other')
    await writeFile(path, 'What is signed there.\n')
    expect(await verify(readOpenPgpFile('signed.txt.asc'), 'publisher', path)).toMatchObject({ outcome: 'bad' })
  })

  test.each([
    ['text', 'hello'],
    ['a public key', readOpenPgpFile('site.pub.asc')],
    ['an armor of nothing', '-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----'],
    ['zeros', '\0'.repeat(4000)],
  ])('is not what is read from %s', async (_, text) => {
    expect(await openpgp.read(Buffer.from(text), [])).toBeUndefined()
  })

  test('of a file that is not there, or is shorter than said, is a fault of the disk', async () => {
    const path = join(folder.path, 'none')
    await expect(openpgp.signFile(path, 5, calm)).rejects.toMatchObject({ code: 'disk-failed', details: { path } })
    expect(await faultOf(openpgp.signFile(signed, size + 1, calm))).toBe('disk-failed')
    expect(await faultOf(verify(readOpenPgpFile('signed.txt.asc'), 'publisher', signed, size + 1))).toBe('disk-failed')
  })

  test('that nobody waits for any more is not gone on with, and its file is closed', async () => {
    const path = join(folder.path, 'sparse')
    await writeFile(path, '')
    await truncate(path, 64 * 1024 * MiB)
    const control = new AbortController()
    const signing = openpgp.signFile(path, 64 * 1024 * MiB, control.signal)
    await expect.poll(async () => (await holdings()).files).toContain(path)
    control.abort(new Error('enough'))
    await expect(signing).rejects.toThrow('enough')
    await expect.poll(async () => (await holdings()).files).not.toContain(path)
    expect(await openpgp.sign(Buffer.from('still there'))).toContain('PGP SIGNATURE')
  })

  test('is not begun once it was closed', async () => {
    const closed = createOpenPgp({ key: undefined, rings })
    await closed.close()
    expect(await faultOf(closed.key())).toBe('cancelled')
  })
})
