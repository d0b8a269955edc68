import { expect } from 'vitest'
import { deadPort } from '../../kit/ports.ts'
import type { Asked } from './access-log.ts'
import { type Descriptor, describeImage } from './describe-image.ts'
import { type Forebay, startForebay } from './forebay.ts'
import { type Front, startFront } from './front.ts'
import { images } from './images.ts'
import type { Registry } from './registry.ts'
import { upstreamName } from './target.ts'
import type { WorkDir } from './work-dir.ts'

/** A server with mirrors. Before it, its upstream and each mirror stands an nginx that writes down every range asked. */
export interface Site extends AsyncDisposable {
  readonly forebay: Forebay
  /** The server as clients know it: its documents name this address first. */
  readonly ours: Front
  readonly mirrors: readonly [Front, Front]
  readonly origin: Front
  readonly sif: Descriptor
  /** URLs: a blob as registry clients ask for it, its metalink, and the metalink of an image. */
  blob(repository: string, digest: string): string
  meta4(digest: string): string
  imageMeta4(image: { readonly repository: string; readonly tag: string }, query?: string): string
  /** Brings the SIF in, so that its pieces are known and all places were asked for it, and forgets that. */
  warm(): Promise<void>
  /** The logs begin anew. */
  forget(): Promise<void>
  /** What clients asked each place for these bytes since the logs began: us, the two mirrors, the upstream. */
  asked(digest: string): Promise<readonly (readonly Asked[])[]>
}

/** `more` are URLs of further mirrors, which come before the two of every site. */
export async function openSite(work: WorkDir, upstream: Registry, more: readonly string[] = []): Promise<Site> {
  const { blobs } = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
  const sif = blobs.find(({ mediaType }) => mediaType.endsWith('layer.v1.sif'))!
  const before = (name: string) => startFront(work, { origin: upstream.url, rate: '16m', name })
  const [one, two, origin] = [await before('one'), await before('two'), await before('origin')]
  // Some clients count connections by host name, and all places here are one host's.
  const urls = [...more, one.url.replace('127.0.0.1', 'localhost'), two.url]
  const port = await deadPort()
  const forebay = await startForebay(work, {
    upstreams: {
      [upstreamName]: { kind: 'oci', url: origin.url, mirrors: urls.map((url, at) => ({ url, priority: at + 1 })) },
    },
    more: { publicUrl: `http://127.0.0.1:${port}` },
  })
  const ours = await startFront(work, { origin: forebay.url, rate: '64m', name: 'ours', port })
  const places = [ours, one, two, origin]
  const site: Site = {
    forebay,
    ours,
    mirrors: [one, two],
    origin,
    sif,
    blob: (repository, digest) => `${ours.url}/v2/${upstreamName}/${repository}/blobs/${digest}`,
    meta4: (digest) => `${ours.url}/blobs/${digest.replace(':', '/')}.meta4`,
    imageMeta4: ({ repository, tag }, query = '') => `${ours.url}/metalink/${upstreamName}/${repository}:${tag}.meta4${query}`,
    async warm() {
      await (await fetch(site.blob(images.sif.repository, sif.digest))).arrayBuffer()
      const document = async () => (await fetch(site.meta4(sif.digest))).text()
      await expect.poll(async () => (await document()).includes('<pieces'), { timeout: 60_000 }).toBe(true)
      expect((await document()).match(/<url /g)).toHaveLength(places.length + more.length)
      await site.forget()
    },
    async forget() {
      for (const { log } of places) await log.forget()
    },
    async asked(digest) {
      const name = new RegExp(`/blobs/${digest.replace(':', '[:/]')}$`)
      const logs = await Promise.all(places.map(({ log }) => log.asked()))
      return logs.map((asked) => asked.filter(({ path, agent }) => name.test(path) && !agent?.startsWith('forebay/')))
    },
    async [Symbol.asyncDispose]() {
      await ours.stop()
      await forebay[Symbol.asyncDispose]()
      for (const front of [one, two, origin]) await front.stop()
    },
  }
  return site
}

/** Body bytes that each place sent. */
export function bytesOf(asked: readonly (readonly Asked[])[]): readonly number[] {
  return asked.map((some) => some.reduce((sum, { bytes }) => sum + bytes, 0))
}
