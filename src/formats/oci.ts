import { type Digest, parseDigest } from '../model/digest.ts'
import { type Fault, isFault } from '../model/fault.ts'
import { bareMediaType, dockerManifest, kindOf, ociIndex, ociManifest, octetStream } from '../model/media-type.ts'
import { invalidDocument, isJsonObject, type Json, parseJsonObject } from './json.ts'
import { readForeignUrl } from './metalink-urls.ts'

const mostChildren = 10_000
const mostUrls = 16 // of one blob
const longestUrl = 2048 // characters

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** What a manifest says of a blob or manifest it names. @see OCI image-spec, descriptor.md */
export interface Descriptor {
  readonly digest: Digest
  readonly size: number // bytes
  readonly mediaType: string
  readonly platform: Platform | undefined
  readonly urls: readonly string[] // absolute http(s), without user or password; not yet allowed to be dialled
}

export interface Manifest {
  readonly kind: 'manifest' | 'index'
  readonly mediaType: string
  readonly children: readonly Descriptor[] // config and layers, or manifests; in document order
  readonly subject: Descriptor | undefined
  readonly artifactType: string | undefined
}

/**
 * Reads an image manifest or index.
 *
 * The header's media type wins where it names one; some registries and static hosts say `application/json` or
 * `text/plain`, and then the document's own field or its shape decides.
 *
 * @throws Fault 'upstream-invalid' for anything else, schema 1 included; `url` is left to the caller to fill in
 * @see OCI image-spec, manifest.md and image-index.md; Docker image manifest version 2, schema 2
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const json = parseJsonObject(bytes, what)
  if (json.schemaVersion === 1 || json.fsLayers !== undefined)
    throw invalid('it is a schema 1 manifest, which nothing can pull by digest')
  const mediaType = manifestType(json, contentType)
  const kind = kindOf(mediaType)
  if (kind === 'blob') throw invalid(`its media type ${mediaType.slice(0, 100)} is none of a manifest`)
  const children =
    kind === 'index'
      ? list(json.manifests, 'manifests')
      : [...optional(json.config), ...list(json.layers ?? json.blobs ?? [], 'layers')]
  if (children.length > mostChildren) throw invalid(`it names ${children.length} blobs`)
  return {
    kind,
    mediaType,
    children: children.map(descriptor),
    subject: json.subject === undefined ? undefined : descriptor(json.subject),
    artifactType: typeof json.artifactType === 'string' ? json.artifactType : undefined,
  }
}

function manifestType(json: Json, contentType: string | undefined): string {
  const header = bareMediaType(contentType)
  if (header !== undefined && kindOf(header) !== 'blob') return header
  const own = typeof json.mediaType === 'string' ? bareMediaType(json.mediaType) : undefined
  if (own !== undefined) return own
  if (Array.isArray(json.manifests)) return ociIndex
  if (Array.isArray(json.layers) && isJsonObject(json.config))
    return json.config.mediaType === dockerConfig ? dockerManifest : ociManifest
  throw invalid('it is neither a manifest nor an index')
}

const dockerConfig = 'application/vnd.docker.container.image.v1+json'

function descriptor(value: unknown): Descriptor {
  if (!isJsonObject(value)) throw invalid('one of its descriptors is not an object')
  const { digest, size, mediaType, platform, urls } = value
  if (typeof digest !== 'string') throw invalid('one of its descriptors has no digest')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`the size of ${digest.slice(0, 80)} is not a number of bytes`)
  return {
    digest: digestIn(digest),
    size,
    mediaType: (typeof mediaType === 'string' ? bareMediaType(mediaType) : undefined) ?? octetStream,
    platform: platformIn(platform),
    urls: urlsIn(urls),
  }
}

function urlsIn(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return []
  const texts = value.slice(0, mostUrls).filter((url) => typeof url === 'string' && url.length <= longestUrl)
  return texts.map((text) => readForeignUrl(text)).flatMap((read) => (read.outcome === 'usable' ? read.url : []))
}

function digestIn(text: string): Digest {
  try {
    return parseDigest(text)
  } catch (error) {
    if (isFault(error, 'digest-invalid')) throw invalid(error.message)
    throw error
  }
}

function platformIn(value: unknown): Platform | undefined {
  if (!isJsonObject(value) || typeof value.os !== 'string' || typeof value.architecture !== 'string') return undefined
  const { os, architecture, variant } = value
  return { os, architecture, ...(typeof variant === 'string' ? { variant } : {}) }
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`its ${name} are not a list`)
  return value
}

function optional(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : [value]
}

const what = 'the manifest'

function invalid(why: string): Fault<'upstream-invalid'> {
  return invalidDocument(what, why)
}
