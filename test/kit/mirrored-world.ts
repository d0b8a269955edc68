import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from './fake-upstream.ts'
import { createWorld, lab, type World, type WorldOptions } from './world.ts'

/** A mirror of a test: its settings, less the URL, and how its server behaves. */
export interface MirrorPlan {
  readonly settings?: Readonly<Record<string, unknown>>
  readonly server?: FakeUpstreamOptions
}

export interface MirroredWorld extends World {
  readonly mirrors: readonly FakeUpstream[]
  /** The URL that a mirror of kind `registry` has a blob of `lab/tool` at. */
  at(mirror: number, digest: string): string
  /** The metalink of a blob, and of an image of the upstream. */
  meta4(digest: string): string
  imageMeta4(image: string, query?: string): string
}

/** A house with an upstream and mirrors of it, which are registries unless said. */
export async function createMirroredWorld(plans: readonly MirrorPlan[], options: WorldOptions = {}): Promise<MirroredWorld> {
  const mirrors = await Promise.all(plans.map(({ server }) => createFakeUpstream(server)))
  const settings = plans.map((plan, at) => ({ url: mirrors[at]!.url, priority: at + 1, ...plan.settings }))
  const world = await createWorld({ ...options, settings: { ...options.settings, mirrors: settings } })
  return {
    ...world,
    mirrors,
    at: (mirror, digest) => `${mirrors[mirror]!.url}/v2/lab/tool/blobs/${digest}`,
    meta4: (digest) => `${world.house.url}/blobs/${digest.replace(':', '/')}.meta4`,
    imageMeta4: (image, query = '') => `${world.house.url}/metalink/${lab}/${image}.meta4${query}`,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      for (const mirror of mirrors) await mirror.close()
    },
  }
}
