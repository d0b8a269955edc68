import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'

expectNoLeaks()

const onHub = image({ seed: 'on the hub' })
const onQuay = image({ seed: 'on quay' })
const onPort = image({ seed: 'on a port' })

let hub: FakeUpstream
let quay: FakeUpstream
let port: FakeUpstream
let house: House

beforeAll(async () => {
  ;[hub, quay, port] = await Promise.all([createFakeUpstream(), createFakeUpstream(), createFakeUpstream()])
  hub.push('library/alpine', onHub, 'v1')
  hub.push('lab/tool', onHub, 'v1')
  quay.push('lab/tool', onQuay, 'v1')
  port.push('lab/tool', onPort, 'v1')
  house = await startHouse({
    upstreams: {
      'docker.io': { url: hub.url },
      'quay.io': { url: quay.url, hosts: ['quay.site.example'] },
      'registry.lan:5000': { url: port.url },
    },
    defaults: { oci: 'docker.io' },
  })
})
afterAll(async () => {
  await Promise.all([hub.close(), quay.close(), port.close()])
  await house.stop()
})

let asked: number
const dialled = () => hub.requests.length + quay.requests.length + port.requests.length
beforeEach(() => {
  asked = dialled()
})

const get = (path: string, host?: string) => ask(house.url + path, { headers: host ? { host } : {} })

describe('the upstream is chosen', () => {
  const chosen: readonly { by: string; path: string; host?: string; want: typeof onHub }[] = [
    { by: 'ns=', path: '/v2/lab/tool/manifests/v1?ns=quay.io', want: onQuay },
    { by: 'ns= in capitals', path: '/v2/lab/tool/manifests/v1?ns=Quay.IO', want: onQuay },
    { by: 'ns=, percent-encoded, with a port', path: '/v2/lab/tool/manifests/v1?ns=registry.lan%3A5000', want: onPort },
    { by: 'ns= with the default https port', path: '/v2/lab/tool/manifests/v1?ns=quay.io:443', want: onQuay },
    { by: 'another name of Docker Hub', path: '/v2/lab/tool/manifests/v1?ns=registry-1.docker.io', want: onHub },
    { by: 'yet another one', path: '/v2/lab/tool/manifests/v1?ns=index.docker.io', want: onHub },
    { by: 'ns= over a Host alias', path: '/v2/lab/tool/manifests/v1?ns=docker.io', host: 'quay.site.example', want: onHub },
    { by: 'Host alias', path: '/v2/lab/tool/manifests/v1', host: 'quay.site.example', want: onQuay },
    { by: 'Host alias with a port', path: '/v2/lab/tool/manifests/v1', host: 'quay.site.example:8080', want: onQuay },
    { by: 'its own key as Host', path: '/v2/lab/tool/manifests/v1', host: 'quay.io', want: onQuay },
    { by: 'path prefix', path: '/v2/quay.io/lab/tool/manifests/v1', want: onQuay },
    { by: 'path prefix with a port', path: '/v2/registry.lan:5000/lab/tool/manifests/v1', want: onPort },
    { by: 'ns= and the same prefix', path: '/v2/quay.io/lab/tool/manifests/v1?ns=quay.io', want: onQuay },
    { by: 'default', path: '/v2/lab/tool/manifests/v1', want: onHub },
    { by: 'default, with library/ for one segment', path: '/v2/alpine/manifests/v1', want: onHub },
    { by: 'prefix docker.io, with library/ for one segment', path: '/v2/docker.io/alpine/manifests/v1', want: onHub },
    { by: 'ns=docker.io, with library/ for one segment', path: '/v2/alpine/manifests/v1?ns=docker.io', want: onHub },
    { by: 'prefix docker.io and library spelled out', path: '/v2/docker.io/library/alpine/manifests/v1', want: onHub },
  ]

  test.each(chosen)('by $by: $path', async ({ path, host, want }) => {
    const reply = await get(path, host)
    expect([reply.status, reply.sha256]).toEqual([200, want.manifest.digest])
  })

  test('and ns= is echoed', async () => {
    expect((await get('/v2/lab/tool/manifests/v1?ns=quay.io')).headers['oci-namespace']).toBe('quay.io')
    expect((await get('/v2/quay.io/lab/tool/manifests/v1')).headers['oci-namespace']).toBeUndefined()
  })

  test('and library/ is added for Docker Hub only', async () => {
    await get('/v2/quay.io/alpine/manifests/v1')
    expect(quay.requests.at(-1)?.path).toBe('/v2/alpine/manifests/v1')
  })
})

describe('nothing is dialled', () => {
  const refused: readonly { what: string; path: string; host?: string; status: number; code: string }[] = [
    { what: 'an unknown ns=', path: '/v2/lab/tool/manifests/v9?ns=evil.example', status: 404, code: 'NAME_UNKNOWN' },
    { what: 'an address as ns=', path: '/v2/lab/tool/manifests/v9?ns=127.0.0.1:22', status: 404, code: 'NAME_UNKNOWN' },
    { what: 'an unknown dotted prefix', path: '/v2/evil.example/lab/tool/manifests/v9', status: 404, code: 'NAME_UNKNOWN' },
    { what: 'an address as prefix', path: '/v2/127.0.0.1:22/tool/manifests/v9', status: 404, code: 'NAME_UNKNOWN' },
    { what: 'localhost as prefix', path: '/v2/localhost:5000/tool/manifests/v9', status: 404, code: 'NAME_UNKNOWN' },
    { what: 'ns= and another prefix', path: '/v2/docker.io/lab/tool/manifests/v9?ns=quay.io', status: 400, code: '' },
    { what: 'several ns=', path: '/v2/lab/tool/manifests/v9?ns=quay.io&ns=docker.io', status: 400, code: '' },
    {
      what: 'a blob of an unknown upstream',
      path: `/v2/lab/tool/blobs/${onHub.manifest.digest}?ns=evil.example`,
      status: 404,
      code: 'NAME_UNKNOWN',
    },
    { what: 'tags of an unknown upstream', path: '/v2/evil.example/lab/tool/tags/list', status: 404, code: 'NAME_UNKNOWN' },
  ]

  test.each(refused)('for $what: $path', async ({ path, host, status, code }) => {
    const reply = await get(path, host)
    expect(reply.status).toBe(status)
    if (code) expect(errorCodes(reply)).toEqual([code])
    expect(dialled()).toBe(asked)
  })
})
