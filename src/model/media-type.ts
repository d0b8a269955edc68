/** What a media type means to us: a document that names others, one image's manifest, or opaque bytes. */
export type MediaKind = 'index' | 'manifest' | 'blob'

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
export const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const octetStream = 'application/octet-stream'
export const sifLayer = 'application/vnd.sylabs.sif.layer.v1.sif'

const kinds: Readonly<Record<string, MediaKind>> = {
  [ociManifest]: 'manifest',
  [ociIndex]: 'index',
  [dockerManifest]: 'manifest',
  [dockerList]: 'index',
  'application/vnd.oci.artifact.manifest.v1+json': 'manifest',
}

/** What we ask upstreams for: the four live manifest types, then anything; never schema 1 (it cannot be pulled by digest). */
export const manifestAccept = [ociManifest, ociIndex, dockerManifest, dockerList, '*/*;q=0.1'].join(', ')

export function kindOf(mediaType: string | undefined): MediaKind {
  return (mediaType !== undefined && Object.hasOwn(kinds, mediaType) && kinds[mediaType]) || 'blob'
}

/** The bare type of a Content-Type field: lower case, no parameters; undefined when it has not the shape of one. */
export function bareMediaType(header: string | undefined): string | undefined {
  const bare = header?.split(';')[0]?.trim().toLowerCase() ?? ''
  return /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(bare) ? bare : undefined
}
