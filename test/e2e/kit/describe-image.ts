import { createHash } from 'node:crypto'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
}

interface Manifest {
  readonly mediaType?: string
  readonly manifests?: readonly Descriptor[]
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
}

/** A manifest or index as a registry itself tells it, with everything below it. */
export interface Image {
  readonly repository: string
  readonly digest: string
  readonly mediaType: string
  /** The exact text of the manifest. */
  readonly raw: string
  /** For an index, by `os/architecture`; empty otherwise. */
  readonly platforms: Readonly<Record<string, Image>>
  /** Config and layers, in order, without repeats; for an index those of all platforms. */
  readonly blobs: readonly Descriptor[]
}

const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** Asks a registry over HTTP, and checks what it says against its own digest. */
export async function describeImage(url: string, repository: string, pointer: string): Promise<Image> {
  const response = await fetch(`${url}/v2/${repository}/manifests/${pointer}`, { headers: { accept } })
  const raw = await response.text()
  if (response.status !== 200) throw new Error(`${url} ${repository} ${pointer}: ${response.status} ${raw}`)
  const digest = sha256(raw)
  const told = response.headers.get('docker-content-digest')
  if (told !== digest) throw new Error(`${repository} ${pointer}: told ${told}, sent ${digest}`)
  const manifest = JSON.parse(raw) as Manifest
  const mediaType = response.headers.get('content-type') ?? ''
  const platforms: Record<string, Image> = {}
  for (const child of manifest.manifests ?? []) {
    platforms[`${child.platform?.os}/${child.platform?.architecture}`] = await describeImage(url, repository, child.digest)
  }
  const own = [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])]
  const below = Object.values(platforms).flatMap((image) => image.blobs)
  const blobs = [...new Map([...own, ...below].map((blob) => [blob.digest, blob])).values()]
  return { repository, digest, mediaType, raw, platforms, blobs }
}

export function sha256(bytes: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** The platform of an index that this machine runs. */
export function native(index: Image): Image {
  const image = index.platforms[`linux/${process.arch === 'x64' ? 'amd64' : process.arch}`]
  if (image === undefined) throw new Error(`${index.repository} has no image for ${process.arch}`)
  return image
}
