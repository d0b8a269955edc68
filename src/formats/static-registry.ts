import { type BlobId, type Digest, digestOrUndefined, hexOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type ImageName, parseImageName, parseTag } from '../model/reference.ts'
import { digestFromHex } from './hash-names.ts'
import { invalidDocument, isJsonObject, parseJsonObject } from './json.ts'
import { readList, shaped } from './json-fields.ts'
import { isLinkUrl, readForeignUrl } from './metalink-urls.ts'
import { decodeOnce } from './percent.ts'

export const staticManifestType = 'application/vnd.singularity.distribution.manifest.v2+json'
const configType = 'application/vnd.singularity.container.image.v1+json'
const imageType = 'application/vnd.singularity.image.squashfs'

/** What a registry of static pages says of one image. Of its sizes nothing is read: some count kilobytes. */
export interface StaticManifest {
  readonly digest: Digest // md5 in many
  /** Of the same bytes, where the digest is not one itself: another one of us says so. */
  readonly sha256?: Digest
  readonly urls: readonly string[] // absolute http(s), best first; the digest decides whether they hold the image
}

const what = 'the static manifest'
const mostUrls = 100
const longestUrl = 8192

/**
 * Reads a manifest, whatever media type the pages were served with.
 *
 * @throws Fault 'upstream-invalid' for anything but one layer that has a digest and can be fetched
 */
export function parseStaticManifest(body: Uint8Array): StaticManifest {
  const { layers } = parseJsonObject(body, what)
  const layer: unknown = Array.isArray(layers) && layers.length === 1 ? layers[0] : undefined
  if (!isJsonObject(layer)) throw invalidDocument(what, 'it has no layer, or several')
  const digest = typeof layer.digest === 'string' ? digestOrUndefined(layer.digest.toLowerCase()) : undefined
  if (digest === undefined) throw invalidDocument(what, 'its layer has no digest')
  const urls = readList(layer.urls, usableUrl).slice(0, mostUrls)
  if (urls.length === 0) throw invalidDocument(what, 'its layer has no absolute http(s) URL')
  const sha256 = typeof layer.sha256 === 'string' ? digestFromHex('sha256', layer.sha256) : undefined
  return { digest, ...(sha256 && sha256 !== digest && { sha256 }), urls: [...new Set(urls)] }
}

function usableUrl(value: unknown): string | undefined {
  const read = typeof value === 'string' && value.length <= longestUrl ? readForeignUrl(value) : undefined
  return read?.outcome === 'usable' ? read.url : undefined
}

/** A manifest as our clients get it. */
export interface OwnStaticManifest {
  readonly digest: Digest // as the registry gave it: scripts compare with that
  readonly sha256?: BlobId // once it is known
  readonly size?: number // bytes, once they are known
  readonly urls: readonly string[] // our own first: clients take that
}

/** Prints it. @throws Fault 'internal' where it has no URL of ours */
export function printStaticManifest({ digest, sha256, size, urls }: OwnStaticManifest): string {
  if (!isLinkUrl(urls[0] ?? '')) throw new Fault('internal', { what: 'a static manifest would have no URL of its own' })
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: staticManifestType,
    config: { mediaType: configType, size, digest }, // there is no other document to be fetched: it repeats the image
    layers: [{ mediaType: imageType, size, digest, ...(sha256 && { sha256: hexOf(sha256) }), urls }],
  })
}

export interface StaticTags {
  readonly name: string
  readonly tags: readonly string[]
}

const tag = shaped(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)

/** Reads a list of tags, which is made from a folder and may hold its README too. @throws Fault 'upstream-invalid' */
export function parseStaticTags(body: Uint8Array): StaticTags {
  const { name, tags } = parseJsonObject(body, 'the static list of tags')
  if (!Array.isArray(tags)) throw invalidDocument('the static list of tags', 'its tags are not a list')
  const all = readList(tags, tag.read).filter((one) => one.toLowerCase() !== 'readme.md')
  return { name: typeof name === 'string' ? name.slice(0, 255) : '', tags: all }
}

export function printStaticTags({ name, tags }: StaticTags): string {
  return JSON.stringify({ name, tags })
}

/** What a client of a static registry asks for. */
export type StaticPath =
  | { readonly kind: 'manifest' | 'image'; readonly name: ImageName; readonly pointer: string }
  | { readonly kind: 'tags'; readonly name: ImageName }

const kinds: Readonly<Record<string, 'manifest' | 'image'>> = { manifests: 'manifest', blobs: 'image' }

/**
 * Reads `<name>/manifests/<tag>`, our own `<name>/blobs/<tag>`, or `<name>/tags`: raw, with a slash at its end or without;
 * undefined for another path.
 *
 * @throws Fault 'name-invalid', 'tag-invalid'
 */
export function parseStaticPath(path: string): StaticPath | undefined {
  const parts = path.replace(/\/$/, '').split('/').map(decodeOnce)
  const [before = '', last = ''] = parts.slice(-2)
  if (last === 'tags' && parts.length > 1) return { kind: 'tags', name: parseImageName(parts.slice(0, -1).join('/')) }
  const kind = Object.hasOwn(kinds, before) ? kinds[before] : undefined
  if (kind === undefined || parts.length < 3) return undefined
  return { kind, name: parseImageName(parts.slice(0, -2).join('/')), pointer: parseTag(last) }
}

/** The same path again, as a registry of static pages has it, or we do. */
export function printStaticPath(path: StaticPath): string {
  if (path.kind === 'tags') return `${path.name}/tags/`
  return `${path.name}/${path.kind === 'image' ? 'blobs' : 'manifests'}/${path.pointer}`
}
