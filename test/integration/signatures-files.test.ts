import type { IncomingMessage, ServerResponse } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { blobsOn, filesBelow, spoolsOn, until, untilHeld } from '../kit/disk.ts'
import { startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lines } from '../kit/metalink-reply.ts'
import { fingerprints, openPgpFile, signWith } from '../kit/openpgp.ts'
import { listen } from '../kit/upstream/listener.ts'

expectNoLeaks()

const tool = blob(3 * MiB, 'tool')
const pgp = 'application/pgp-signature'
let good: string
let ofOther: string
beforeAll(async () => {
  good = await signWith('publisher', tool.bytes)
  ofOther = await signWith('publisher', Buffer.from('other'))
})

/** A web server with files, known as `data`, and a house that wants them signed. */
async function filesWorld(required = true) {
  const files = new Map<string, Buffer>([['/pub/tool.bin', tool.bytes]])
  const asked: string[] = []
  const server = await listen(async (request: IncomingMessage, response: ServerResponse) => {
    const { url = '' } = request
    asked.push(`${request.method} ${url}`)
    const bytes = files.get(url)
    if (!bytes) return void response.writeHead(404).end('no such file')
    response.writeHead(200, { 'content-length': bytes.length, etag: '"1"' })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }, {})
  const signatures = { keys: [openPgpFile('publisher.pub.asc')], required }
  const house = await startHouse({
    upstreams: { data: { kind: 'files', url: `http://${server.host}/pub`, signatures } },
    more: { catalog: { negativeFor: '0s' } },
  })
  return {
    files,
    asked,
    house,
    url: `${house.url}/files/data/tool.bin`,
    async [Symbol.asyncDispose]() {
      await server.close()
      await house.stop()
    },
  }
}

describe('a plain file of an upstream that requires signatures', () => {
  test('without one is refused, for GET and HEAD, and nothing of it is kept', async () => {
    await using world = await filesWorld()
    for (const method of ['HEAD', 'GET']) {
      const reply = await ask(world.url, { method })
      expect(reply.status).toBe(403)
      if (method === 'GET') expect(reply.body.toString()).toContain(fingerprints.publisher)
    }
    expect(world.asked).toEqual(expect.arrayContaining(['GET /pub/tool.bin.asc', 'GET /pub/tool.bin.sig']))
    expect([...(await blobsOn(world.house.storePath)), ...(await spoolsOn(world.house.storePath))]).toEqual([])
  })

  test.each(['.asc', '.sig'])('with a good one beside it, as %s, is served and keeps it', async (suffix) => {
    await using world = await filesWorld()
    const binary = Buffer.from(/\n\n([\s\S]*)\n=/.exec(good)?.[1] ?? '', 'base64')
    world.files.set(`/pub/tool.bin${suffix}`, suffix === '.sig' ? binary : Buffer.from(good))
    for (let time = 0; time < 2; time++) {
      const reply = await ask(world.url)
      expect([reply.status, reply.end, reply.sha256]).toEqual([200, 'clean', tool.digest])
      await untilHeld(world.house.storePath, tool.digest)
      await until(async () => (await filesBelow(world.house.storePath)).some((file) => file.endsWith('.asc')), 'a signature')
    }
    const own = `${world.house.url}/blobs/${tool.digest.replace(':', '/')}.asc`
    expect((await ask(own)).body.toString().trim()).toBe(good)
    expect(lines(await ask(world.url), 'link')).toContain(`<${own}>; rel=describedby; type="${pgp}"`)
    expect((await ask(world.url, { method: 'HEAD' })).status).toBe(200)
  })

  test('with one of other bytes is not given to its end, and nothing of it is kept', async () => {
    await using world = await filesWorld()
    world.files.set('/pub/tool.bin.asc', Buffer.from(ofOther))
    const reply = await ask(world.url)
    expect([reply.status, reply.end]).toEqual([200, 'cut'])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })
})

test('where none is required the signature beside a file is kept if it is good', async () => {
  for (const [signature, isKept] of [
    [good, true],
    [ofOther, false],
  ] as const) {
    await using world = await filesWorld(false)
    world.files.set('/pub/tool.bin.asc', Buffer.from(signature))
    expect((await ask(world.url)).sha256).toBe(tool.digest)
    await untilHeld(world.house.storePath, tool.digest)
    await world.house.stop({ keep: true })
    const kept = (await filesBelow(world.house.storePath)).filter((file) => file.endsWith('.asc'))
    expect(kept).toHaveLength(isKept ? 1 : 0)
  }
})

test('a file that is itself called x.meta4.asc wins over the signature of a document', async () => {
  await using world = await filesWorld(false)
  world.files.set('/pub/tool.bin.meta4.asc', Buffer.from('of somebody'))
  expect((await ask(`${world.url}.meta4.asc`)).body.toString()).toBe('of somebody')
  world.files.delete('/pub/tool.bin.meta4.asc')
})
