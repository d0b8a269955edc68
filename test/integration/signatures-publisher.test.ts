import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, type Content, KiB, MiB } from '../kit/blobs.ts'
import { startCommand } from '../kit/command.ts'
import { blobsOn, filesBelow, spoolsOn, until, untilHeld } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { startHouse } from '../kit/house.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lines, readMetalink } from '../kit/metalink-reply.ts'
import { fingerprints, openPgpFile, passphrase, readOpenPgpFile, signWith } from '../kit/openpgp.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, lab, urlsOf, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const small = blob(300 * KiB, 'small')
const large = blob(5 * MiB, 'large')
const pgp = 'application/pgp-signature'
const by: Record<string, string> = {}
beforeAll(async () => {
  by.publisher = await signWith('publisher', large.bytes)
  by.publisherOfSmall = await signWith('publisher', small.bytes)
  by.stranger = await signWith('stranger', large.bytes)
  by.strangerOfSmall = await signWith('stranger', small.bytes)
})

const site = { key: { file: openPgpFile('site.sec.asc') } }
const keys = [openPgpFile('publisher.pub.asc')]
const strict = { signatures: { keys, required: true } }

async function worldWith(options: WorldOptions = {}): Promise<World> {
  const world = await createWorld(options)
  for (const one of [small, large]) world.upstream.pushBlob('lab/tool', one)
  return world
}

/** The registry points to a signature, or to whatever is given as one. */
function offer(upstream: FakeUpstream, { digest }: Content, signature: string | Uint8Array): void {
  const url = `${upstream.url}/signatures/${digest}.asc`
  upstream.fault({ path: `/blobs/${digest}` }, { headers: { link: `<${url}>; rel=describedby; type="${pgp}"` } })
  upstream.fault({ path: `/signatures/${digest}` }, { status: 200, body: signature, headers: { 'content-type': pgp } })
}

/** The same in a metalink. */
function offerInMetalink(upstream: FakeUpstream, { digest, bytes }: Content, signature: string): void {
  const url = `${upstream.url}/documents/${digest}.meta4`
  upstream.fault(
    { path: `/blobs/${digest}` },
    { headers: { link: `<${url}>; rel=describedby; type="application/metalink4+xml"` } },
  )
  const hash = `<hash type="sha-256">${digest.slice('sha256:'.length)}</hash>`
  const signed = `<signature mediatype="${pgp}">${signature}</signature>`
  const file = `<file name="x"><size>${bytes.length}</size>${hash}<url>https://far.example/x</url>${signed}</file>`
  const body = `<metalink xmlns="urn:ietf:params:xml:ns:metalink">${file}</metalink>`
  upstream.fault({ path: `/documents/${digest}` }, { status: 200, body })
}

const signatureUrl = (world: World, { digest }: Content) => `${world.house.url}/blobs/${digest.replace(':', '/')}.asc`

async function fetchRight(world: World, one: Content): Promise<void> {
  const reply = await ask(world.blob('lab/tool', one.digest))
  expect([reply.status, reply.end, reply.sha256]).toEqual([200, 'clean', one.digest])
  await untilHeld(world.house.storePath, one.digest)
}

/** The signature that is held, once there is one. */
async function heldSignature(world: World, one: Content): Promise<string> {
  await until(async () => (await signatureFiles(world)).length > 0, 'a signature on disk')
  const reply = await ask(signatureUrl(world, one))
  expect([reply.status, reply.headers['content-type']]).toEqual([200, pgp])
  return reply.body.toString().trim()
}

async function signatureFiles(world: World): Promise<readonly string[]> {
  return (await filesBelow(world.house.storePath)).filter((file) => file.endsWith('.asc'))
}

async function expectNothingKept(world: World, ...but: readonly Content[]): Promise<void> {
  await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
  expect([...(await blobsOn(world.house.storePath))].sort()).toEqual(but.map(({ digest }) => digest).sort())
  expect(await signatureFiles(world)).toEqual([])
}

describe("a publisher's signature, where nobody's is trusted or required", () => {
  test('is passed on as a Link named it, and in the document', async () => {
    await using world = await worldWith()
    offer(world.upstream, large, by.publisher!)
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).toBe(by.publisher)
    const reply = await ask(world.blob('lab/tool', large.digest))
    expect(lines(reply, 'link')).toContain(`<${signatureUrl(world, large)}>; rel=describedby; type="${pgp}"`)
    const document = await ask(signatureUrl(world, large).replace(/asc$/, 'meta4'))
    expect(readMetalink(document, world.house.url).text).toContain(`<signature mediatype="${pgp}">${by.publisher}</signature>`)
  })

  test('comes before the one of the site, also from a metalink', async () => {
    await using world = await worldWith({ house: { more: { signing: site } } })
    offerInMetalink(world.upstream, large, by.publisher!)
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).toBe(by.publisher)
  })

  test('not armored is armored', async () => {
    await using world = await worldWith()
    const [, body = ''] = /\n\n([\s\S]*)\n=/.exec(by.publisher!) ?? []
    offer(world.upstream, large, Buffer.from(body, 'base64'))
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).toBe(by.publisher)
  })

  test.each([
    ['a page', '<html>not found</html>'],
    ['more than 64 KiB', 'x'.repeat(65 * KiB)],
    ['a public key', readOpenPgpFile('publisher.pub.asc')],
  ])('that is %s is none', async (_, body) => {
    await using world = await worldWith({ house: { more: { signing: site } } })
    offer(world.upstream, large, body)
    await fetchRight(world, large)
    const signature = await heldSignature(world, large)
    expect(signature).toContain('BEGIN PGP SIGNATURE')
    expect(signature).not.toBe(by.publisher)
  })

  test('is not looked for where nothing points to it', async () => {
    await using world = await worldWith()
    offerInMetalink(world.upstream, large, by.publisher!)
    await fetchRight(world, small)
    await fetchRight(world, large)
    expect((await ask(signatureUrl(world, large))).status).toBe(404)
    await world.house.stop({ keep: true }) // what is done behind the answers is done
    const others = world.upstream.requests.filter(({ path }) => !path.includes('/blobs/'))
    expect(others.map(({ path }) => path)).toEqual([])
  })

  test('is not fetched from a place that nobody allowed', async () => {
    await using world = await worldWith()
    await using inside = await createFakeUpstream()
    const url = `${inside.url}/signatures/x.asc`
    world.upstream.fault({ path: '/blobs/' }, { headers: { link: `<${url}>; rel=describedby; type="${pgp}"` } })
    await fetchRight(world, large)
    await world.house.stop({ keep: true })
    expect(inside.requests).toEqual([])
  })

  test('goes with its blob', async () => {
    await using folder = await tempFolder()
    const storePath = join(folder.path, 'store')
    await using world = await worldWith({ house: { storePath } })
    offer(world.upstream, large, by.publisher!)
    await fetchRight(world, large)
    await heldSignature(world, large)
    const file = join(folder.path, 'site.yaml')
    await writeFile(
      file,
      JSON.stringify({ store: { path: storePath }, upstreams: { [lab]: { kind: 'oci', url: world.upstream.url } } }),
    )
    expect((await startCommand(['rm', large.digest, '--config', file]).ended).code).toBe(0)
    expect(await signatureFiles(world)).toEqual([])
    world.upstream.heal()
    await fetchRight(world, large)
    expect((await ask(signatureUrl(world, large))).status).toBe(404)
  })
})

describe('where keys are trusted', () => {
  const options: WorldOptions = { settings: { signatures: { keys } } }

  test('a good signature is kept', async () => {
    await using world = await worldWith(options)
    offer(world.upstream, large, by.publisher!)
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).toBe(by.publisher)
  })

  test('one in a metalink is looked for', async () => {
    await using world = await worldWith(options)
    offerInMetalink(world.upstream, large, by.publisher!)
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).toBe(by.publisher)
  })

  test.each([
    ['by somebody else', () => by.stranger!],
    ['of other bytes', () => by.publisherOfSmall!],
  ])('one %s is not kept, and the blob is served all the same', async (_, signature) => {
    await using world = await worldWith({ ...options, house: { more: { signing: site } } })
    offer(world.upstream, large, signature())
    await fetchRight(world, large)
    expect(await heldSignature(world, large)).not.toBe(signature())
  })
})

describe('where a signature is required', () => {
  test.each([
    ['small', small],
    ['large', large],
  ])('a %s blob without one is refused, for GET and HEAD, and says what is missing', async (_, one) => {
    await using world = await worldWith({ settings: strict })
    for (const method of ['GET', 'HEAD']) {
      const reply = await ask(world.blob('lab/tool', one.digest), { method })
      expect(reply.status).toBe(403)
      if (method === 'HEAD') continue
      expect(errorCodes(reply)).toEqual(['DENIED'])
      for (const part of [`lab/tool@${one.digest}`, fingerprints.publisher, `upstreams.${lab}.signatures.required`])
        expect(reply.body.toString()).toContain(part)
    }
    expect(world.upstream.bytesSent(one.digest)).toBeLessThanOrEqual(1)
    await expectNothingKept(world)
  })

  test('one by somebody who is not trusted is refused, and says by whom it is', async () => {
    await using world = await worldWith({ settings: strict })
    offer(world.upstream, large, by.stranger!)
    const reply = await ask(world.blob('lab/tool', large.digest))
    expect([reply.status, errorCodes(reply)]).toEqual([403, ['DENIED']])
    expect(reply.body.toString()).toContain(fingerprints.stranger)
    expect(world.upstream.bytesSent(large.digest)).toBeLessThanOrEqual(1)
    await expectNothingKept(world)
  })

  test('one of other bytes is refused: a small blob with a status, a large one before its last byte', async () => {
    await using world = await worldWith({ settings: strict })
    offer(world.upstream, small, by.publisher!)
    offer(world.upstream, large, by.publisherOfSmall!)
    const whole = await ask(world.blob('lab/tool', small.digest))
    expect([whole.status, errorCodes(whole)]).toEqual([403, ['DENIED']])
    const cut = await ask(world.blob('lab/tool', large.digest))
    expect([cut.status, cut.end]).toEqual([200, 'cut'])
    expect(cut.body.length).toBeLessThan(large.bytes.length)
    await expectNothingKept(world)
  })

  test.each([
    ['a Link', offer],
    ['a metalink', offerInMetalink],
  ])('one that is good, by %s, lets the blob in, once and for good', async (_, give) => {
    await using folder = await tempFolder()
    const options: WorldOptions = { settings: strict, house: { storePath: folder.path } }
    {
      await using world = await worldWith(options)
      give(world.upstream, large, by.publisher!)
      await fetchRight(world, large)
      expect(await heldSignature(world, large)).toBe(by.publisher)
      const before = world.upstream.requests.length
      await fetchRight(world, large)
      expect(world.upstream.requests).toHaveLength(before)
    }
    await using world = await worldWith(options)
    await fetchRight(world, large)
    expect(world.upstream.bodies(large.digest)).toBe(0)
  })

  test('many who ask at once are all refused, or all served, by one look', async () => {
    await using world = await worldWith({ settings: strict })
    const all = (one: Content) => Promise.all(Array.from({ length: 10 }, () => ask(world.blob('lab/tool', one.digest))))
    expect((await all(small)).map(({ status }) => status)).toEqual(Array(10).fill(403))
    expect(world.upstream.count({ path: small.digest, method: 'GET' })).toBe(1)
    offer(world.upstream, large, by.publisher!)
    for (const reply of await all(large)) expect(reply.sha256).toBe(large.digest)
    expect(world.upstream.count({ path: '/signatures/' })).toBe(1)
  })

  test('manifests are not asked for one', async () => {
    await using world = await worldWith({ settings: strict })
    world.upstream.push('lab/app', image({ layers: [3000] }), 'v1')
    expect((await ask(world.manifest('lab/app', 'v1'))).status).toBe(200)
  })

  test('an upstream that cannot be asked is told of as such', async () => {
    await using world = await worldWith({ settings: strict })
    await ask(world.manifest('lab/app', 'v1'))
    await world.upstream.refuse()
    const reply = await ask(world.blob('lab/tool', large.digest))
    expect([reply.status, errorCodes(reply)]).toEqual([502, ['UNAVAILABLE']])
    await world.upstream.reopen()
  })
})

/** One registry under two names, the first of which requires signatures. */
async function twoNames() {
  const upstream = await createFakeUpstream()
  for (const one of [small, large]) upstream.pushBlob('lab/tool', one)
  const house = await startHouse({
    upstreams: { 'strict.example': { url: upstream.url, ...strict }, 'open.example': { url: upstream.url } },
    more: { catalog: { negativeFor: '0s' } },
  })
  return {
    upstream,
    house,
    strict: ({ digest }: Content) => urlsOf(house.url, 'strict.example').blob('lab/tool', digest),
    open: ({ digest }: Content) => urlsOf(house.url, 'open.example').blob('lab/tool', digest),
    async [Symbol.asyncDispose]() {
      await upstream.close()
      await house.stop()
    },
  }
}

describe('bytes that another upstream gives without a signature', () => {
  test('are held, and are not given for the one that requires it until there is one', async () => {
    await using world = await twoNames()
    expect((await ask(world.open(large))).sha256).toBe(large.digest)
    await untilHeld(world.house.storePath, large.digest)
    for (const method of ['GET', 'HEAD']) expect((await ask(world.strict(large), { method })).status).toBe(403)
    const held = await ask(world.strict(large), { headers: { 'cache-control': 'only-if-cached' } })
    expect([held.status, errorCodes(held)]).toEqual([504, ['BLOB_UNKNOWN']])
    expect((await ask(world.open(large))).sha256).toBe(large.digest)

    offer(world.upstream, large, by.stranger!)
    expect((await ask(world.strict(large))).body.toString()).toContain(fingerprints.stranger)
    offer(world.upstream, large, by.publisherOfSmall!)
    expect((await ask(world.strict(large))).status).toBe(403)
    offer(world.upstream, large, by.publisher!)
    const sent = world.upstream.bytesSent(large.digest)
    expect((await ask(world.strict(large))).sha256).toBe(large.digest)
    expect(world.upstream.bytesSent(large.digest)).toBeLessThanOrEqual(sent + 1)
    const asked = world.upstream.requests.length
    expect((await ask(world.strict(large))).sha256).toBe(large.digest)
    expect(world.upstream.requests).toHaveLength(asked)
  })

  test('are not given either as if they were a manifest', async () => {
    await using world = await twoNames()
    const app = image({ layers: [3000] })
    world.upstream.push('lab/app', app, 'v1')
    const layer = app.blobs[1]!
    for (const name of ['open.example', 'strict.example'])
      expect((await ask(urlsOf(world.house.url, name).manifest('lab/app', 'v1'))).status).toBe(200)
    expect((await ask(urlsOf(world.house.url, 'open.example').blob('lab/app', layer.digest))).status).toBe(200)
    await untilHeld(world.house.storePath, layer.digest)
    const reply = await ask(urlsOf(world.house.url, 'strict.example').manifest('lab/app', layer.digest))
    expect(reply.status).toBe(404)
  })

  test('are not given either while they come in for the other', async () => {
    await using world = await twoNames()
    offer(world.upstream, large, by.publisherOfSmall!)
    const gate = world.upstream.hold({ path: `/blobs/${large.digest}`, method: 'GET', nth: 1 })
    const open = ask(world.open(large))
    await gate.arrived()
    const strict = ask(world.strict(large))
    await world.upstream.seen({ path: '/signatures/' })
    await world.house.requestsOpen(2)
    gate.open()
    expect((await open).sha256).toBe(large.digest)
    expect((await strict).status).toBe(403)
  })

  test('are given to who does not ask for one, also when they came in for who does and were refused', async () => {
    await using world = await twoNames()
    offer(world.upstream, small, by.publisher!) // which is of other bytes
    const gate = world.upstream.hold({ path: `/blobs/${small.digest}`, method: 'GET', nth: 2 })
    const strict = ask(world.strict(small))
    await gate.arrived() // the first is asked only what it points to
    const open = ask(world.open(small))
    await world.upstream.seen({ path: small.digest, method: 'HEAD' }, 2)
    await world.house.requestsOpen(2)
    gate.open()
    expect((await strict).status).toBe(403)
    expect((await open).sha256).toBe(small.digest)
  })
})

test('neither the key nor its passphrase is in a log, an answer or a file', async () => {
  await using folder = await tempFolder()
  await using upstream = await createFakeUpstream()
  upstream.pushBlob('lab/tool', small)
  await using house = await startHouseProcess({
    upstreams: { [lab]: { url: upstream.url } },
    storePath: join(folder.path, 'store'),
    env: { FOREBAY_SIGNING_PASSPHRASE: passphrase },
    more: {
      log: { level: 'debug' },
      signing: { key: { file: openPgpFile('locked.sec.asc') }, passphrase: { env: 'FOREBAY_SIGNING_PASSPHRASE' } },
    },
  })
  const said: string[] = []
  const { blob: at } = urlsOf(house.url)
  for (const url of [
    at('lab/tool', small.digest),
    ...['', '.asc', '.meta4', '.meta4.asc'].map((end) => `${house.url}/blobs/${small.digest.replace(':', '/')}${end}`),
  ]) {
    const reply = await ask(url)
    expect(reply.status).toBe(200)
    if (reply.sha256 !== small.digest) said.push(reply.body.toString(), reply.rawHeaders.join('\n'))
  }
  await house.kill('SIGTERM')
  said.push(house.output())
  for (const file of await filesBelow(folder.path)) said.push((await readFile(join(folder.path, file))).toString('latin1'))
  expect(said.join('\n')).toContain('PGP SIGNATURE')
  const line = readOpenPgpFile('locked.sec.asc').split('\n')[10]!
  for (const secret of [passphrase, 'PRIVATE KEY', line]) expect(said.join('\n').includes(secret)).toBe(false)
})
