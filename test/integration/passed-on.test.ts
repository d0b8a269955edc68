import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Clock } from '../../src/system/clock.ts'
import { ask, open } from '../kit/ask.ts'
import { blob, json, MiB } from '../kit/blobs.ts'
import { startCommand } from '../kit/command.ts'
import { blobsOn, spoolsOn, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { startHouse, type UpstreamSettings } from '../kit/house.ts'
import { describe as describeContent, image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { openPgpFile, signWith } from '../kit/openpgp.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const repository = 'lab/tool'
const large = blob(30 * MiB, 'larger than all there is')

/** A house that may keep 10 MiB. */
async function tiny(settings: Partial<UpstreamSettings> = {}, clock?: Clock) {
  const upstream = await createFakeUpstream()
  upstream.pushBlob(repository, large)
  const folder = await tempFolder()
  const house = await startHouse(
    {
      storePath: folder.path,
      upstreams: { [lab]: { url: upstream.url, ...settings } },
      defaults: { oci: lab },
      more: { store: { path: folder.path, quota: '10MiB' } },
    },
    clock,
  )
  return {
    upstream,
    house,
    url: urlsOf(house.url).blob(repository, large.digest),
    async [Symbol.asyncDispose]() {
      await upstream.close()
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** `v1` has the large blob as its only layer. */
function nameIt(upstream: FakeUpstream): void {
  const { mediaType } = image().manifest
  const layers = [describeContent(large)]
  upstream.pushManifest(repository, json({ schemaVersion: 2, mediaType, config: layers[0], layers }, mediaType), 'v1')
}

test('a blob that does not fit is passed on, right and whole, and nothing is kept of it', async () => {
  await using its = await tiny()
  expect(await ask(its.url)).toMatchObject({ status: 200, end: 'clean', sha256: large.digest })
  expect(await its.house.metric('transfer_passed_total')).toBe(1)
  expect(await blobsOn(its.house.storePath)).toEqual([])
  await expect.poll(() => spoolsOn(its.house.storePath)).toEqual([])
})

test('many at once share what passes', async () => {
  await using its = await tiny({}, createHandClock()) // on which nobody is taken for one that stands still
  const replies = await Promise.all(Array.from({ length: 20 }, () => ask(its.url)))
  for (const reply of replies) expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: large.digest })
  // What the fill had come to, and then once or twice the whole; not twenty times.
  expect(its.upstream.bytesSent(large.digest)).toBeLessThan(4 * large.bytes.length)
})

test('a range of it too', async () => {
  await using its = await tiny()
  const [start, end] = [12 * MiB + 5, 13 * MiB]
  const reply = await ask(its.url, { headers: { range: `bytes=${start}-${end - 1}` } })
  expect([reply.status, reply.end]).toEqual([206, 'clean'])
  expect(reply.body.equals(large.bytes.subarray(start, end))).toBe(true)
})

test('a reader that stands still holds up no other, and gets the rest when it goes on', async () => {
  await using its = await tiny()
  const slow = await open(its.url)
  await slow.atLeast(1 * MiB)
  slow.pause()
  const others = await Promise.all([ask(its.url), ask(its.url)])
  for (const reply of others) expect(reply).toMatchObject({ end: 'clean', sha256: large.digest })
  expect(await slow.rest()).toMatchObject({ end: 'clean', sha256: large.digest })
})

test('what has to be signed is not, as a signature is of the whole', async () => {
  const keys = [openPgpFile('publisher.pub.asc')]
  await using its = await tiny({ signatures: { keys, required: true } })
  const url = `${its.upstream.url}/signatures/large.asc`
  const type = 'application/pgp-signature'
  its.upstream.fault({ path: `/blobs/${large.digest}` }, { headers: { link: `<${url}>; rel=describedby; type="${type}"` } })
  const body = await signWith('publisher', large.bytes)
  its.upstream.fault({ path: '/signatures/large' }, { status: 200, body, headers: { 'content-type': type } })
  nameIt(its.upstream)
  expect((await ask(urlsOf(its.house.url).manifest(repository, 'v1'))).status).toBe(200) // says how large it is
  const reply = await ask(its.url)
  expect([reply.status, reply.end, reply.body.length < 1000]).toEqual([503, 'clean', true])
  expect(await its.house.metric('transfer_passed_total')).toBe(0)
  expect(its.upstream.bytesSent(large.digest)).toBeLessThan(10) // where its signature is was asked with the first byte
})

test('what is to be kept is not said to be', async () => {
  await using its = await tiny()
  await using folder = await tempFolder()
  nameIt(its.upstream)
  const site = join(folder.path, 'site.yaml')
  const upstreams = { [lab]: { kind: 'oci', url: its.upstream.url } }
  await writeFile(site, JSON.stringify({ store: { path: its.house.storePath }, upstreams }))
  const { code, stderr } = await startCommand(['get', `${lab}/${repository}:v1`, '--config', site]).ended
  expect(code).toBe(1)
  expect(stderr).toContain('no space left')
})

test('wrong bytes have no clean end here either, and a source that breaks off is gone on with', async () => {
  await using its = await tiny()
  its.upstream.fault({ path: large.digest, method: 'GET' }, { flipAt: 20 * MiB })
  expect((await ask(its.url)).end).toBe('cut')
  its.upstream.heal()
  its.upstream.fault({ path: large.digest, method: 'GET', nth: [1, 2] }, { cutAfter: 15 * MiB })
  expect(await ask(its.url)).toMatchObject({ end: 'clean', sha256: large.digest })
  expect(await wrongBlobsOn(its.house.storePath)).toEqual([])
})
