import { afterEach } from 'vitest'
import type { Artifact } from '../../../src/model/artifact.ts'
import type { Credentials } from '../../../src/upstream/credentials.ts'
import type { OciUpstream, SourceBody } from '../../../src/upstream/upstream.ts'
import { blob, type Content } from '../../kit/blobs.ts'
import { calm } from '../../kit/bytes.ts'
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from '../../kit/fake-upstream.ts'
import { type Image, multiPlatform } from '../../kit/images.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'

export interface OpenOptions {
  readonly credentials?: Credentials
  readonly allow?: readonly string[] // private places besides the upstream itself
  readonly realms?: readonly string[]
}

export interface OpenedUpstream {
  readonly upstream: OciUpstream
  close(): Promise<void>
}

export type OpenUpstream = (url: URL, options: OpenOptions) => OpenedUpstream

/** A registry on loopback that holds `app` as `lab/tool:v1` and `layer`, and the adapter under test in front of it. */
export interface UpstreamBench {
  readonly app: Image
  readonly layer: Content
  readonly openOn: OpenUpstream
  readonly registry: FakeUpstream
  opened: OpenedUpstream
  start(options?: FakeUpstreamOptions, more?: OpenOptions | ((fake: FakeUpstream) => OpenOptions)): Promise<OciUpstream>
  bytesOf(body: SourceBody): Promise<Buffer>
  /** Bytes of `layer`. */
  fetchOf(upstream: OciUpstream, want?: Parameters<OciUpstream['read']>[1]): Promise<Buffer>
  found(upstream: OciUpstream, pointer: string): Promise<Artifact>
}

/** To be made inside a `describe`: what a test started is closed after it. */
export function createBench(openOn: OpenUpstream): UpstreamBench {
  const layer = blob(300_000, 'layer')
  const app = multiPlatform()
  let running: { registry: FakeUpstream; opened: OpenedUpstream } | undefined

  afterEach(async () => {
    await running?.opened.close()
    await running?.registry.close()
    running = undefined
  })

  function demand() {
    if (!running) throw new Error('nothing was started')
    return running
  }

  const bench: UpstreamBench = {
    app,
    layer,
    openOn,
    get registry() {
      return demand().registry
    },
    get opened() {
      return demand().opened
    },
    set opened(opened) {
      demand().opened = opened
    },
    async start(options = {}, more = {}) {
      const registry = await createFakeUpstream(options)
      registry.push('lab/tool', app, 'v1')
      registry.pushBlob('lab/tool', layer)
      running = { registry, opened: openOn(new URL(registry.url), typeof more === 'function' ? more(registry) : more) }
      return running.opened.upstream
    },
    async bytesOf(body) {
      const parts: Uint8Array[] = []
      for await (const part of body.body) parts.push(Buffer.from(part)) // a chunk is good until the next one is asked for
      return Buffer.concat(parts)
    },
    fetchOf: async (upstream, want = {}) =>
      bench.bytesOf(await upstream.read(upstream.sourceOf(blobNamed(layer.digest)), want, calm)),
    async found(upstream, pointer) {
      const answer = await upstream.resolve(manifestNamed(pointer), asking())
      if (answer.outcome !== 'found') throw new Error(answer.outcome)
      return answer.artifact
    },
  }
  return bench
}
