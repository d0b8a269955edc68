import { type Forebay, startForebay } from './forebay.ts'
import type { Registry } from './registry.ts'
import type { WorkDir } from './work-dir.ts'

/** The registry's name in the settings: path prefix, `ns=` value and the host that clients write in a reference. */
export const upstreamName = 'registry.lab'

/** Where clients are pointed: at a server with an empty store, or straight at the registry to try the tests themselves. */
export interface Target extends AsyncDisposable {
  readonly address: string // host:port
  readonly url: string
  /** What stands between the address and a repository: `registry.lab/` or nothing. */
  readonly prefix: string
  /** Undefined when clients are pointed straight at the registry. */
  readonly forebay: Forebay | undefined
  /** `host:port/prefix/repository:tag` */
  reference(image: { readonly repository: string; readonly tag: string }): string
  /** The URL of a blob as plain HTTP clients ask for it. */
  blob(repository: string, digest: string): string
}

/** FOREBAY_E2E_TARGET=registry points the clients straight at the upstream. */
export const isDirect = (): boolean => process.env.FOREBAY_E2E_TARGET === 'registry'

export async function openTarget(work: WorkDir, upstream: Registry, name: string): Promise<Target> {
  // A tag is fresh for so short a time that every later pull must ask again, or do without.
  const settings = { kind: 'oci', url: upstream.url, freshFor: '1s', staleIfError: '1d' }
  const forebay = isDirect() ? undefined : await startForebay(work, { name, upstreams: { [upstreamName]: settings } })
  const address = forebay?.address ?? upstream.address
  const prefix = forebay === undefined ? '' : `${upstreamName}/`
  return {
    address,
    url: `http://${address}`,
    prefix,
    forebay,
    reference: ({ repository, tag }) => `${address}/${prefix}${repository}:${tag}`,
    blob: (repository, digest) => `http://${address}/v2/${prefix}${repository}/blobs/${digest}`,
    async [Symbol.asyncDispose]() {
      await forebay?.stop()
    },
  }
}
