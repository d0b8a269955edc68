import { expect } from 'vitest'
import { blob, MiB } from '../kit/blobs.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { type Forebay, startForebay } from './kit/forebay.ts'
import { test } from './kit/laboratory.ts'
import { upstreamName } from './kit/target.ts'
import { describeWith, mustUse } from './kit/tools.ts'
import type { WorkDir } from './kit/work-dir.ts'

const layer = blob(6 * MiB, 'davix')
const busy = blob(2 * MiB, 'davix busy')

const urlOf = ({ url }: Forebay, digest: string) => `${url}/v2/${upstreamName}/lab/tool/blobs/${digest}`

/** A server with one mirror, that fetches one blob at a time and lets nobody wait. */
async function openSite(work: WorkDir) {
  const [upstream, mirror] = [await createFakeUpstream(), await createFakeUpstream()]
  for (const place of [upstream, mirror]) place.pushBlob('lab/tool', layer, busy)
  const forebay = await startForebay(work, {
    upstreams: { [upstreamName]: { kind: 'oci', url: upstream.url, mirrors: [{ url: mirror.url }] } },
    more: { transfer: { maxFills: 1, maxQueued: 0 }, drainTimeout: '1s' },
  })
  return {
    upstream,
    mirror,
    forebay,
    async [Symbol.asyncDispose]() {
      await mirror.close()
      await upstream.close()
      await forebay[Symbol.asyncDispose]()
    },
  }
}

describeWith(['davix-get'], 'davix-get', () => {
  test('gets a blob by its URL', async ({ work }) => {
    await using site = await openSite(work)
    await mustUse('davix-get', [urlOf(site.forebay, layer.digest), 'out'], { env: work.env, cwd: work.path })
    expect(await fileDigest(work.file('out'))).toBe(layer.digest)
  })

  test('takes it from the first mirror of its metalink while we answer 503', async ({ work }) => {
    await using site = await openSite(work)
    const { forebay, mirror, upstream } = site
    const gate = mirror.hold({ path: busy.digest, method: 'GET' })
    const elsewhere = fetch(urlOf(forebay, busy.digest))
    await gate.arrived()
    expect((await fetch(urlOf(forebay, layer.digest), { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(urlOf(forebay, layer.digest))).status).toBe(503)
    const options = { env: work.env, cwd: work.path, timeoutMs: 60_000 }
    await mustUse('davix-get', [urlOf(forebay, layer.digest), 'out'], options)
    expect(await fileDigest(work.file('out'))).toBe(layer.digest)
    expect([mirror.bodies(layer.digest), upstream.bodies(layer.digest)]).toEqual([1, 0])
    const [sent] = mirror.requests.filter(({ method, path }) => method === 'GET' && path.endsWith(layer.digest))
    expect(sent!.headers['user-agent']).toContain('davix')
    gate.open()
    expect((await elsewhere).status).toBe(200)
  })
})
