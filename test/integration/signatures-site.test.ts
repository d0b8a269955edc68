import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ask, errorCodes, type Reply } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { startCommand } from '../kit/command.ts'
import { filesBelow, until } from '../kit/disk.ts'
import { hasGpg, verifyWithGpg } from '../kit/gpg.ts'
import { startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lines, readMetalink } from '../kit/metalink-reply.ts'
import { isSignedBy, type KeyName, openPgpFile, passphrase, readOpenPgpFile } from '../kit/openpgp.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, lab, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(5 * MiB, 'signed')
const hex = layer.digest.slice('sha256:'.length)
const pgp = 'application/pgp-signature'
const app = image({ layers: [3000, 40_000] })

const signing = (name: KeyName) => ({
  key: { file: openPgpFile(`${name}.sec.asc`) },
  passphrase: { env: 'FOREBAY_SIGNING_PASSPHRASE' },
})
const withKey = (name: KeyName, house: WorldOptions['house'] = {}): WorldOptions => ({
  house: { env: { FOREBAY_SIGNING_PASSPHRASE: passphrase }, ...house, more: { signing: signing(name), ...house.more } },
})

async function worldWith(options: WorldOptions): Promise<World> {
  const world = await createWorld(options)
  world.upstream.pushBlob('lab/tool', layer)
  world.upstream.push('lab/app', app, 'v1')
  return world
}

const own = (world: World, path: string) => `${world.house.url}/blobs/sha256/${hex}${path}`
const describedBy = (reply: Pick<Reply, 'rawHeaders'>) => lines(reply, 'link').filter((line) => line.includes('describedby'))
const signatureLink = (url: string) => `<${url}>; rel=describedby; type="${pgp}"`

/** The blob's signature, once it was made. */
async function signatureOf(world: World): Promise<Reply> {
  expect((await ask(world.blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
  await until(async () => (await ask(own(world, ''), { method: 'HEAD' })).rawHeaders.join().includes(pgp), 'a signature')
  return ask(own(world, '.asc'))
}

async function expectGood(name: KeyName, signature: Buffer, data: Buffer): Promise<void> {
  expect(signature.toString()).toMatch(/^-----BEGIN PGP SIGNATURE-----\n\n[\w+/=\n]+\n-----END PGP SIGNATURE-----\n$/)
  expect(await isSignedBy(name, signature, data)).toBe(true)
}

describe.skipIf(!hasGpg())('GnuPG (gpg is needed)', () => {
  test.each(['site', 'locked', 'offline'] as const)('finds what the key %s signed good, and anything else bad', async (name) => {
    await using world = await worldWith(withKey(name))
    const signature = await signatureOf(world)
    const document = await ask(own(world, '.meta4'))
    const ofDocument = await ask(own(world, '.meta4.asc'))
    for (const [signed, data] of [
      [signature, layer.bytes],
      [ofDocument, document.body],
    ] as const) {
      expect([signed.status, signed.headers['content-type']]).toEqual([200, pgp])
      const { isGood, said } = verifyWithGpg(openPgpFile(`${name}.pub.asc`), signed.body, data)
      expect(isGood, said).toBe(true)
      const other = Buffer.concat([data, Buffer.from('x')])
      expect(verifyWithGpg(openPgpFile(`${name}.pub.asc`), signed.body, other).isGood).toBe(false)
    }
  })
})

describe('with a key of the site', () => {
  test('a blob is signed once, beside it on disk, and answers tell where', async () => {
    await using world = await worldWith(withKey('site'))
    const first = await ask(world.blob('lab/tool', layer.digest))
    expect(first.sha256).toBe(layer.digest)
    const signature = await signatureOf(world)
    const link = signatureLink(own(world, '.asc'))
    for (const url of [own(world, ''), world.blob('lab/tool', layer.digest)]) {
      const replies = [
        await ask(url),
        await ask(url, { method: 'HEAD' }),
        await ask(url, { headers: { range: 'bytes=0-9' } }),
        await ask(url, { headers: { range: 'bytes=0-9,20-29' } }),
      ]
      for (const reply of replies) expect(describedBy(reply).filter((line) => line.includes(pgp))).toEqual([link])
    }
    const kept = (await filesBelow(world.house.storePath)).filter((file) => file.endsWith('.asc'))
    expect(kept).toEqual([join('blobs', 'sha256', hex.slice(0, 2), `${hex}.asc`)])
    expect((await ask(own(world, '.asc'))).body).toEqual(signature.body)
  })

  test('a document has the signature of the file in it, and is valid', async () => {
    await using world = await worldWith(withKey('site'))
    const signature = await signatureOf(world)
    await expect.poll(async () => (await ask(own(world, '.meta4'))).body.includes('<signature')).toBe(true)
    const document = await ask(own(world, '.meta4'))
    const { text } = readMetalink(document, world.house.url)
    expect(text).toContain(`<signature mediatype="${pgp}">${signature.body.toString().trim()}</signature>`)
  })

  test('the signature of a document is a download of its own, with an ETag and conditions, and the document names it', async () => {
    await using world = await worldWith(withKey('site'))
    await signatureOf(world)
    await expect.poll(async () => (await ask(own(world, '.meta4'))).body.includes('<pieces')).toBe(true)
    const document = await ask(own(world, '.meta4'))
    expect(lines(document, 'link')).toEqual([signatureLink(own(world, '.meta4.asc'))])
    const url = own(world, '.meta4.asc')
    const got = await ask(url)
    expect(got.headers['content-disposition']).toBe(`attachment; filename="${hex}.meta4.asc"`)
    const head = await ask(url, { method: 'HEAD' })
    const without = ({ date: _, ...headers }: typeof got.headers) => headers
    expect([without(head.headers), head.body.length]).toEqual([without(got.headers), 0])
    const again = await ask(url, { headers: { 'if-none-match': String(got.headers.etag) } })
    expect([again.status, again.body.length]).toEqual([304, 0])
    expect((await ask(url, { headers: { 'if-match': '"another"' } })).status).toBe(412)
    expect((await ask(url)).body).toEqual(got.body)
  })

  test('documents of images are signed too, by tag and by digest and for a platform', async () => {
    await using world = await worldWith(withKey('site'))
    for (const name of [`lab/app:v1`, `lab/app@${app.manifest.digest}`]) {
      for (const query of ['', '?platform=all']) {
        const url = `${world.house.url}/metalink/${lab}/${name}.meta4`
        // What it needs is fetched and signed behind the first answers.
        await expect
          .poll(async () => {
            const document = await ask(`${url}${query}`)
            const signature = await ask(`${url}.asc${query}`)
            expect(lines(document, 'link')).toEqual([signatureLink(`${url}.asc${query}`)])
            const isSame = (await ask(`${url}${query}`)).headers.etag === document.headers.etag
            if (isSame) await expectGood('site', signature.body, document.body)
            return isSame
          })
          .toBe(true)
      }
    }
  })

  test('what was there before gets its signature when its document is asked for, behind the answer', async () => {
    await using folder = await tempFolder()
    {
      await using world = await worldWith({ house: { storePath: folder.path } })
      await ask(world.blob('lab/tool', layer.digest))
      await until(async () => (await ask(own(world, '.meta4'))).body.includes('<pieces'), 'pieces')
      expect((await ask(own(world, '.asc'))).status).toBe(404)
    }
    await using world = await worldWith(withKey('site', { storePath: folder.path }))
    expect(describedBy(await ask(own(world, ''), { method: 'HEAD' }))).toHaveLength(1)
    expect((await ask(own(world, '.meta4'))).body.includes('<signature')).toBe(false)
    await expect.poll(async () => (await ask(own(world, '.meta4'))).body.includes('<signature')).toBe(true)
    await expectGood('site', (await ask(own(world, '.asc'))).body, layer.bytes)
  })

  test('another key signs anew, and without one nothing more is said of what the old one made', async () => {
    await using folder = await tempFolder()
    {
      await using world = await worldWith(withKey('site', { storePath: folder.path }))
      await signatureOf(world)
    }
    {
      await using world = await worldWith(withKey('locked', { storePath: folder.path }))
      expect(describedBy(await ask(own(world, ''), { method: 'HEAD' }))).toHaveLength(1)
      await expectGood('locked', (await ask(own(world, '.asc'))).body, layer.bytes)
    }
    await using world = await worldWith({ house: { storePath: folder.path } })
    expect((await ask(own(world, '.asc'))).status).toBe(404)
    expect((await ask(own(world, '.meta4'))).body.includes('<signature')).toBe(false)
  })
})

describe('without a key', () => {
  test('nothing is signed, nothing is pointed to, and what is asked for is said not to be there and why', async () => {
    await using world = await worldWith({})
    await ask(world.blob('lab/tool', layer.digest))
    await until(async () => (await ask(own(world, '.meta4'))).body.includes('<pieces'), 'pieces')
    const document = await ask(own(world, '.meta4'))
    expect([lines(document, 'link'), document.body.includes('<signature')]).toEqual([[], false])
    expect(describedBy(await ask(own(world, '')))).toHaveLength(1)
    for (const [url, why] of [
      [own(world, '.meta4.asc'), 'signing.key'],
      [`${world.house.url}/metalink/${lab}/lab/app:v1.meta4.asc`, 'signing.key'],
      [own(world, '.asc'), `signature of ${layer.digest}`],
    ] as const) {
      const reply = await ask(url)
      expect([reply.status, errorCodes(reply).length]).toEqual([404, 1])
      expect(reply.body.toString()).toContain(why)
    }
    expect((await filesBelow(world.house.storePath)).filter((file) => file.endsWith('.asc'))).toEqual([])
  })
})

describe('a start', () => {
  const upstreams = { [lab]: { url: 'http://127.0.0.1:1' } }
  const stranger = { file: openPgpFile('stranger.sec.asc') }

  test.each([
    [
      'a passphrase that does not fit',
      { key: { file: openPgpFile('locked.sec.asc') }, passphrase: { env: 'WORDS' } },
      'signing.passphrase: it does',
    ],
    [
      'a key that needs a passphrase, and none',
      { key: { file: openPgpFile('locked.sec.asc') } },
      'signing.passphrase: the key is protected',
    ],
    ['a public key', { key: { file: openPgpFile('site.pub.asc') } }, 'signing.key: it is not an armored OpenPGP secret key'],
    ['a file that is not there', { key: { file: '/nowhere/key.asc' } }, '/nowhere/key.asc'],
    [
      'a variable that is not set',
      { key: stranger, passphrase: { env: 'NOWHERE' } },
      'signing.passphrase: the environment variable NOWHERE',
    ],
    ['a key that has expired', { key: { file: openPgpFile('expired.sec.asc') } }, 'signing.key: it cannot sign'],
  ])('with %s is refused, and why is said without a secret', async (_, signing, why) => {
    const starting = startHouse({ upstreams, more: { signing }, env: { WORDS: 'wrong words' } })
    await expect(starting).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining(why) })
    await starting.catch((error) => expect(String(error)).not.toMatch(/wrong words|BEGIN PGP/))
  })

  test.each([
    ['a secret key', 'publisher.sec.asc', 'secret key'],
    ['no key', 'signed.txt', 'no armored'],
    ['a key that was revoked', 'revoked.pub.asc', 'revoked'],
    ['no file', 'nowhere.asc', 'no such file'],
  ])('with %s to trust is refused, and says where', async (_, file, why) => {
    const settings = { upstreams: { [lab]: { ...upstreams[lab], signatures: { keys: [openPgpFile(file)] } } } }
    const starting = startHouse(settings)
    await expect(starting).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining(why) })
    await starting.catch((error) => expect(String(error)).toContain(`upstreams.${lab}.signatures.keys: ${openPgpFile(file)}`))
  })

  test('goes on where the key is in a variable', async () => {
    await using house = await startHouse({
      upstreams,
      more: { signing: { key: { env: 'FOREBAY_SIGNING_KEY' } } },
      env: { FOREBAY_SIGNING_KEY: readOpenPgpFile('site.sec.asc') },
    })
    expect((await ask(`${house.url}/readyz`)).status).toBe(200)
  })
})

describe.each(['on the store alone', 'through a running server'])('forebay metalink --sign %s', (how) => {
  test('writes a document and its signature', async () => {
    await using folder = await tempFolder()
    const storePath = join(folder.path, 'store')
    await using world = await worldWith(withKey('locked', { storePath }))
    await signatureOf(world)
    if (how === 'on the store alone') await world.house.stop()
    const site = join(folder.path, 'site.yaml')
    const upstreams = { [lab]: { kind: 'oci', url: world.upstream.url } }
    const publicUrl = 'http://cache.site.example'
    await writeFile(site, JSON.stringify({ store: { path: storePath }, upstreams, publicUrl, signing: signing('locked') }))
    const env = { FOREBAY_SIGNING_PASSPHRASE: passphrase }
    const words = ['metalink', '--blob', `${lab}/lab/tool@${layer.digest}`, '--config', site]

    const file = join(folder.path, 'x.meta4')
    const written = await startCommand([...words, '--sign', '-o', file], env).ended
    expect(written).toMatchObject({ code: 0, text: '', stderr: '' })
    const [document, signature] = [await readFile(file), await readFile(`${file}.asc`)]
    expect(document.toString()).toContain('<metalink')
    await expectGood('locked', signature, document)

    const { stdout } = await startCommand([...words, '--sign'], env).ended
    const end = stdout.indexOf('</metalink>\n') + '</metalink>\n'.length
    await expectGood('locked', stdout.subarray(end), stdout.subarray(0, end))
    expect((await startCommand(words, env).ended).text).toMatch(/<\/metalink>\n$/)
  })
})

test('forebay metalink --sign without a key is a mistake in the settings, and says which', async () => {
  await using folder = await tempFolder()
  const site = join(folder.path, 'site.yaml')
  const upstreams = { [lab]: { kind: 'oci', url: 'http://127.0.0.1:1' } }
  await writeFile(site, JSON.stringify({ store: { path: join(folder.path, 'store') }, upstreams }))
  const { code, stderr } = await startCommand(['metalink', `${lab}/lab/tool:v1`, '--sign', '--config', site]).ended
  expect(code).toBe(1)
  expect(stderr).toContain('signing.key')
})
