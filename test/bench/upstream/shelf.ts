import { createHash } from 'node:crypto'
import type { Content, Noise } from './content.ts'

export interface Layer {
  readonly digest: string
  readonly size: number // bytes
}

export interface Published {
  readonly tag: string
  readonly digest: string // of the manifest
  readonly mediaType: string
  readonly layers: readonly Layer[]
}

/** What an image is to be made of: one layer for each size. The same order gives the same image. */
export interface Order {
  readonly tag: string
  readonly sizes: readonly number[] // bytes
}

/** Images that the upstream of the bench holds, in any repository it is asked for. */
export interface Shelf {
  publish(order: Order): Published
  manifest(tagOrDigest: string): { readonly bytes: Buffer; readonly digest: string } | undefined
  blob(digest: string): Content | Buffer | undefined
  layersOf(tag: string): readonly Layer[] | undefined
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

export function createShelf(noise: Noise): Shelf {
  const manifests = new Map<string, { readonly bytes: Buffer; readonly digest: string }>()
  const blobs = new Map<string, Content | Buffer>()
  const images = new Map<string, readonly Layer[]>()
  let seed = 0

  function publish({ tag, sizes }: Order): Published {
    const config = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] }, tag }),
    )
    const layers = sizes.map((size) => {
      const content = { seed: ++seed, size }
      const digest = noise.digest(content)
      blobs.set(digest, content)
      return { digest, size }
    })
    blobs.set(digestOf(config), config)
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
        layers: layers.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer })),
      }),
    )
    const digest = digestOf(bytes)
    manifests.set(tag, { bytes, digest })
    manifests.set(digest, { bytes, digest })
    images.set(tag, layers)
    return { tag, digest, mediaType: manifestType, layers }
  }

  return {
    publish,
    manifest: (name) => manifests.get(name),
    blob: (digest) => blobs.get(digest),
    layersOf: (tag) => images.get(tag),
  }
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
