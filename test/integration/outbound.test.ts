import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { createForwardProxy } from '../kit/forward-proxy.ts'
import { startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { caFile, serverCertificate } from '../kit/tls.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'outbound', layers: [3000] })
const layer = tool.blobs[1]!.digest

/** Manifest and layer through the house at `base`, as statuses. */
async function pull(base: string): Promise<readonly number[]> {
  const here = urlsOf(base)
  const replies = [await ask(here.manifest('lab/tool', 'v1')), await ask(here.blob('lab/tool', layer))]
  return replies.map(({ status, sha256 }, at) => (sha256 === [tool.manifest.digest, layer][at] ? status : -status))
}

describe("the site's own certificate authority", () => {
  test('is believed where it is configured', async () => {
    await using world = await createWorld({
      upstream: { tls: serverCertificate() },
      house: { outbound: { ca: [caFile] } },
    })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await pull(world.house.url)).toEqual([200, 200])
  })

  test('is not believed where it is not: 502, and nothing was asked', async () => {
    await using world = await createWorld({ upstream: { tls: serverCertificate() } })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await pull(world.house.url)).toEqual([-502, -502])
    expect(world.upstream.requests).toEqual([])
  })
})

describe("the site's HTTP proxy", () => {
  test('of the environment carries http upstreams, and what NO_PROXY names goes past it', async () => {
    await using proxy = await createForwardProxy()
    await using direct = await createFakeUpstream({ address: '127.0.0.2' })
    direct.push('lab/tool', tool, 'v1')
    await using world = await createWorld({
      house: {
        upstreams: { 'direct.example': { url: direct.url } },
        env: { HTTP_PROXY: proxy.url, NO_PROXY: 'elsewhere.example,127.0.0.2' },
      },
    })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await pull(world.house.url)).toEqual([200, 200])
    expect(proxy.asked.length).toBeGreaterThan(0)
    const count = proxy.asked.length
    const there = await ask(urlsOf(world.house.url, 'direct.example').manifest('lab/tool', 'v1'))
    expect([there.status, proxy.asked.length]).toEqual([200, count])
  })

  test('of the settings carries https upstreams in a tunnel, with its own credentials', async () => {
    await using proxy = await createForwardProxy()
    const httpsProxy = `http://site:s%40crt@${proxy.host}`
    await using world = await createWorld({
      upstream: { tls: serverCertificate() },
      house: { outbound: { ca: [caFile], httpsProxy } },
    })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await pull(world.house.url)).toEqual([200, 200])
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${world.upstream.host}`]))
    expect(new Set(proxy.credentials)).toEqual(new Set([`Basic ${Buffer.from('site:s@crt').toString('base64')}`]))
    for (const { headers } of world.upstream.requests) expect(headers['proxy-authorization']).toBeUndefined()
  })

  test('is not made to ask a place that nobody configured, though it could reach it', async () => {
    await using proxy = await createForwardProxy()
    await using inner = await createFakeUpstream()
    inner.push('lab/tool', tool, 'v1')
    await using world = await createWorld({
      upstream: { redirect: { to: (digest) => `${inner.url}/v2/lab/tool/blobs/${digest}` } },
      house: { env: { HTTP_PROXY: proxy.url } },
    })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await pull(world.house.url)).toEqual([200, -502])
    expect(inner.requests).toEqual([])
    expect(proxy.asked.some((line) => line.includes(inner.host))).toBe(false)
  })

  test('that is not there is a 502', async () => {
    await using upstream = await createFakeUpstream()
    await using house = await startHouse({
      upstreams: { [lab]: { url: upstream.url } },
      defaults: { oci: lab },
      env: { HTTP_PROXY: 'http://127.0.0.1:1' },
    })
    expect(await pull(house.url)).toEqual([-502, -502])
    expect(upstream.requests).toEqual([])
  })
})
