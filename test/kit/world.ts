import type { Clock } from '../../src/system/clock.ts'
import type { Logger } from '../../src/system/log.ts'
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from './fake-upstream.ts'
import { type House, type HouseSettings, startHouse, type UpstreamSettings } from './house.ts'

/** A house with one upstream behind it, known as `lab.example`; both are gone when it is disposed. */
export interface World extends AsyncDisposable {
  readonly house: House
  readonly upstream: FakeUpstream
  /** URLs through the house. */
  blob(repository: string, digest: string): string
  manifest(repository: string, pointer: string): string
}

export const lab = 'lab.example'

export interface WorldOptions {
  readonly upstream?: FakeUpstreamOptions
  readonly settings?: Partial<UpstreamSettings> // of the upstream
  readonly house?: Partial<HouseSettings>
  readonly clock?: Clock
  readonly log?: Logger
}

export async function createWorld({ upstream: options, settings, house: more, clock, log }: WorldOptions = {}): Promise<World> {
  const upstream = await createFakeUpstream(options)
  try {
    const house = await startHouse(
      {
        ...more,
        upstreams: { [lab]: { url: upstream.url, ...settings }, ...more?.upstreams },
        defaults: { oci: lab },
        outbound: { allow: [upstream.cdn.host], ...more?.outbound },
      },
      clock,
      log,
    )
    return {
      house,
      upstream,
      ...urlsOf(house.url),
      async [Symbol.asyncDispose]() {
        await upstream.close() // first, so that no fill makes stopping wait
        await house.stop()
      },
    }
  } catch (error) {
    await upstream.close()
    throw error
  }
}

export function urlsOf(base: string, name = lab): Pick<World, 'blob' | 'manifest'> {
  return {
    blob: (repository, digest) => `${base}/v2/${name}/${repository}/blobs/${digest}`,
    manifest: (repository, pointer) => `${base}/v2/${name}/${repository}/manifests/${pointer}`,
  }
}
