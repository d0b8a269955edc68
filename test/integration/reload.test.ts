import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isFault } from '../../src/model/fault.ts'
import { ask, askHashed, errorCodes, open } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, type HouseSettings, startHouse } from '../kit/house.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../kit/recorded-log.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const MiB = 1024 * 1024
let first: FakeUpstream
let second: FakeUpstream
let house: House
let log: RecordedLog
beforeEach(async () => {
  first = await createFakeUpstream()
  second = await createFakeUpstream()
  log = createRecordedLog()
  house = await startHouse(at(first), undefined, log)
})
afterEach(async () => {
  await house.stop()
  await Promise.all([first.close(), second.close()])
})

/** Settings with the one upstream there, and more of it. A busy machine is no slow upstream. */
function at({ url }: FakeUpstream, upstream: object = {}, more: object = {}): HouseSettings {
  const catalog = { answerDeadline: '40s' }
  return { upstreams: { [lab]: { url, ...upstream } }, defaults: { oci: lab }, more: { catalog, ...more } }
}

const manifest = (tag: string) => urlsOf(house.url).manifest('lab/tool', tag)

describe('settings that are read again', () => {
  test('are those of the next request, while a hundred running downloads go on to the end with those before', async () => {
    const layer = blob(4 * MiB, 'running')
    first.pushBlob('lab/tool', layer)
    const tool = image({ seed: 'new' })
    second.push('lab/tool', tool, 'v1')
    const gate = first.hold({ path: layer.digest, method: 'GET' })
    const url = urlsOf(house.url).blob('lab/tool', layer.digest)
    const running = Array.from({ length: 100 }, () => askHashed(url))
    gate.release(2 * MiB)
    await gate.sent(2 * MiB)
    await house.requestsOpen(100)
    expect(await house.reload(at(second))).toEqual([])
    expect(await ask(manifest('v1'))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
    expect(log.events).not.toContain('reload.over')
    // Cut now, it has to be asked again where it began.
    first.dropConnections()
    gate.open()
    for (const reply of await Promise.all(running))
      expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
    expect(second.bodies(layer.digest)).toBe(0)
    await over()
    expect(await ask(url)).toMatchObject({ status: 200, sha256: layer.digest })
  })

  test('may add an upstream that joins a fill begun before it was known, and is asked when the other fails', async () => {
    const layer = blob(4 * MiB, 'joined')
    const tool = image({ seed: 'other' })
    first.pushBlob('lab/tool', layer)
    second.push('lab/tool', tool, 'v1')
    second.pushBlob('lab/tool', layer)
    const gate = first.hold({ path: layer.digest, method: 'GET' })
    const one = askHashed(urlsOf(house.url).blob('lab/tool', layer.digest))
    gate.release(2 * MiB)
    await gate.sent(2 * MiB)
    await house.reload({ ...at(first), upstreams: { [lab]: { url: first.url }, 'other.example': { url: second.url } } })
    const two = await open(urlsOf(house.url, 'other.example').blob('lab/tool', layer.digest))
    await two.atLeast(MiB)
    await first.refuse()
    gate.open()
    expect(await one).toMatchObject({ end: 'clean', sha256: layer.digest })
    expect(await two.rest()).toMatchObject({ end: 'clean', sha256: layer.digest })
  })

  test('change what an upstream is: its address, its credentials, how long its tags are fresh', async () => {
    const [old, young] = [image({ seed: 'old' }), image({ seed: 'young' })]
    first.push('lab/tool', old, 'v1')
    second.push('lab/tool', young, 'v1')
    expect((await ask(manifest('v1'))).sha256).toBe(old.manifest.digest)
    await house.reload(at(second))
    expect((await ask(manifest('v1'))).sha256, 'fresh for a while, whoever is asked next').toBe(old.manifest.digest)
    await house.reload(at(second, { freshFor: '0s' }))
    expect((await ask(manifest('v1'))).sha256).toBe(young.manifest.digest)
    await using locked = await createFakeUpstream({ auth: { kind: 'basic', users: { ada: 'enough' } } })
    const secret = image({ seed: 'secret' })
    locked.push('lab/secret', secret, 'v1')
    const url = urlsOf(house.url).manifest('lab/secret', 'v1')
    const known = (word: string): HouseSettings => ({
      ...at(locked, { credentials: { username: 'ada', password: { env: 'FOREBAY_TEST_PASSWORD' } } }),
      env: { FOREBAY_TEST_PASSWORD: word },
    })
    await house.reload(known('wrong'))
    expect(await ask(url)).toMatchObject({ status: 403 })
    await house.reload(known('enough'))
    expect(await ask(url), 'the refusal of before is not remembered').toMatchObject({
      status: 200,
      sha256: secret.manifest.digest,
    })
  })

  test('leave a question alone that was asked under those before', async () => {
    const tool = image({ seed: 'asked' })
    first.push('lab/tool', tool, 'v1')
    const gate = first.hold({ path: /manifests/ })
    const reply = ask(manifest('v1'))
    await gate.arrived()
    await house.reload(at(second))
    await house.reload(at(second, { freshFor: '1s' }))
    expect(await ask(manifest('v1')), 'who asks now is told by the new one').toMatchObject({ status: 404 })
    gate.open()
    expect(await reply).toMatchObject({ status: 200, sha256: tool.manifest.digest })
    await over(2)
  })

  test('change which upstreams there are', async () => {
    second.push('lab/tool', image(), 'v1')
    const other = urlsOf(house.url, 'other.example').manifest('lab/tool', 'v1')
    expect(errorCodes(await ask(other))).toEqual(['NAME_UNKNOWN'])
    await house.reload({ ...at(first), upstreams: { [lab]: { url: first.url }, 'other.example': { url: second.url } } })
    expect(await ask(other)).toMatchObject({ status: 200 })
    await house.reload(at(first))
    expect(errorCodes(await ask(other))).toEqual(['NAME_UNKNOWN'])
  })

  test('change limits, and what is kept', async () => {
    const tool = image({ layers: [1000] })
    first.push('lab/tool', tool, 'v1')
    await ask(manifest('v1'))
    await ask(urlsOf(house.url).blob('lab/tool', tool.blobs[1]!.digest))
    await until(async () => (await house.metric('store_blobs')) === 2, 'both are kept')
    const long = `${manifest('v1')}?${'x'.repeat(200)}`
    expect(await ask(long)).toMatchObject({ status: 200 })
    const small = { limits: { urlLength: '150B' }, store: { path: house.storePath, quota: '1KB' }, log: { access: false } }
    await house.reload(at(first, {}, small))
    expect(await ask(long)).toMatchObject({ status: 414 })
    await until(async () => (await house.metric('store_blobs')) === 0, 'what is more than the quota goes')
  })

  test('name what has to wait for a restart, and take the rest', async () => {
    second.push('lab/tool', image({ seed: 'rest' }), 'v1')
    const elsewhere = { listen: { host: '127.0.0.1', port: 1 }, store: { path: '/nowhere', memory: '1MiB' } }
    const waiting = await house.reload(at(second, {}, elsewhere))
    expect(waiting).toEqual(['listen', 'store.path', 'store.memory', 'records.url'])
    expect(await ask(manifest('v1'))).toMatchObject({ status: 200 })
    expect(await house.reload(at(second))).toEqual([])
  })

  test('that are wrong change nothing', async () => {
    first.push('lab/tool', image(), 'v1')
    const unreadable = { signatures: { keys: ['/nowhere/publisher.asc'] } }
    const refusal = await house.reload(at(second, unreadable)).catch((error: unknown) => error)
    expect(isFault(refusal, 'config-invalid') && refusal.details.mistakes.join()).toContain('/nowhere/publisher.asc')
    expect(await ask(manifest('v1'))).toMatchObject({ status: 200 })
  })

  test('may be read over and over, under load', async () => {
    const layers = Array.from({ length: 30 }, (_, at) => blob(2 * MiB, `load ${at}`))
    for (const layer of layers) first.pushBlob('lab/tool', layer)
    let next = 0
    const pulls = Array.from({ length: 4 }, async () => {
      for (let mine = next++; mine < layers.length; mine = next++) {
        const { digest } = layers[mine]!
        expect(await askHashed(urlsOf(house.url).blob('lab/tool', digest))).toMatchObject({ end: 'clean', sha256: digest })
      }
    })
    let isDone = false
    const all = Promise.all(pulls).finally(() => {
      isDone = true
    })
    all.catch(() => {}) // it is awaited below
    let reloads = 0
    for (; !isDone; reloads++) await house.reload(at(first, { freshFor: `${reloads}s` }))
    await all
    expect(reloads).toBeGreaterThan(2)
    await over(reloads)
    expect(await ask(`${house.url}/metrics`)).toMatchObject({ status: 200 })
  })

  /** Nothing goes on with settings of before. */
  async function over(times = 1): Promise<void> {
    await until(
      async () => log.events.filter((event) => event === 'reload.over').length >= times,
      'nothing goes on as before',
      20_000,
    )
  }
})

describe('SIGHUP', () => {
  test('has a server read its settings, and breaks none of a hundred downloads', async () => {
    const layer = blob(4 * MiB, 'process')
    first.pushBlob('lab/tool', layer)
    second.push('lab/tool', image({ seed: 'new' }), 'v1')
    const settings = { upstreams: { [lab]: { url: first.url } } }
    await using server = await startHouseProcess(settings)
    const urls = urlsOf(server.url)
    const gate = first.hold({ path: layer.digest, method: 'GET' })
    const running = Array.from({ length: 100 }, () => askHashed(urls.blob('lab/tool', layer.digest)))
    gate.release(2 * MiB)
    await gate.sent(2 * MiB)
    await until(async () => (await server.metric('edge_requests_open')) === running.length, 'all of them are being answered')
    await server.reload({ upstreams: { [lab]: { url: second.url } } })
    await logged(server, '"event":"reload"')
    expect(await ask(urls.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200 })
    gate.open()
    for (const reply of await Promise.all(running)) expect(reply).toMatchObject({ end: 'clean', sha256: layer.digest })
    expect(await server.kill('SIGTERM')).toBe(0)
  })

  test('with a wrong file has it log every mistake and go on as before', async () => {
    first.push('lab/tool', image(), 'v1')
    await using server = await startHouseProcess({ upstreams: { [lab]: { url: first.url } } })
    await server.reload('upstreams: { a: { kind: oci, url: nowhere } }\nstor: {}\ndrainTimeout: long\n')
    for (const mistake of ['upstreams.a.url', 'stor: there is no such setting', 'drainTimeout: \\"long\\" is wrong'])
      await logged(server, mistake)
    expect(server.output().match(/"event":"reload\.refused"/g)).toHaveLength(3)
    expect(await ask(urlsOf(server.url).manifest('lab/tool', 'v1'))).toMatchObject({ status: 200 })
  })

  test('has it say what needs a restart', async () => {
    await using server = await startHouseProcess({ upstreams: { [lab]: { url: first.url } } })
    await server.reload({ upstreams: { [lab]: { url: first.url } }, more: { store: { path: server.storePath, memory: '1MiB' } } })
    await logged(server, '"event":"reload.restart"')
    expect(server.output()).toContain('"settings":["store.memory"]')
  })
})

function logged(server: { output(): string }, text: string): Promise<void> {
  return until(() => server.output().includes(text), `${text} in ${server.output()}`, 20_000)
}
