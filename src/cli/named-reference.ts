import type { Target } from '../catalog/catalog.ts'
import { parseLibraryArch, parseLibraryPath } from '../formats/library-path.ts'
import { parseShubPath } from '../formats/shub-path.ts'
import { parseStaticPath } from '../formats/static-registry.ts'
import { parseDigest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import {
  type FileReference,
  type ImageReference,
  parseFilePath,
  parseImageName,
  parseTag,
  type UpstreamId,
} from '../model/reference.ts'
import { normalizeRegistry } from '../model/registry-name.ts'

export type NamedKind = 'library' | 'shub' | 'static' | 'files'

/** The upstreams of the settings, as far as naming goes. */
export interface Names {
  readonly upstreams: readonly NamedPlace[]
  /** For a name without a registry. */
  readonly defaults: { readonly [kind in 'oci' | 'library' | 'shub']?: UpstreamId | undefined }
  readonly own: readonly string[] // hosts under which clients reach us, with port
  readonly arch: string // of this machine, as Go names it
}

export interface NamedPlace {
  readonly id: UpstreamId
  readonly kind: 'oci' | NamedKind
  readonly hosts: readonly string[]
  readonly url: URL
}

type NamedTarget = ImageReference | FileReference

const partsAfterHost = { library: 3, shub: 2 } as const
const usualArch = 'amd64' // what is meant where none is said: its name has none

/**
 * Reads `library://[host/]entity/collection/name[:tag][?arch=…]` and `shub://[host/]collection/name[:tag][@version]`. A host
 * is the name of an upstream, its own, or ours; it is one only where a whole name comes after it, as to the clients.
 *
 * @throws Fault 'upstream-unknown', 'name-invalid', 'tag-invalid', 'request-invalid'
 */
export function parseSchemeName(kind: 'library' | 'shub', rest: string, names: Names): ImageReference {
  const slash = rest.indexOf('/')
  const hasHost = rest.split('/').length > partsAfterHost[kind]
  const upstream = hasHost ? atHost(kind, rest.slice(0, slash), names) : byDefault(kind, names)
  return parseImageAt(upstream, hasHost ? rest.slice(slash + 1) : rest, names)
}

/**
 * Reads what stands behind the name of an upstream and a slash, in the words of its protocol.
 *
 * @throws Fault 'name-invalid', 'tag-invalid', 'request-invalid'
 */
export function parseNameAt({ id, kind }: NamedPlace, rest: string, names: Names): NamedTarget {
  return kind === 'files' ? { kind: 'file', upstream: id, path: parseFilePath(rest) } : parseImageAt({ id, kind }, rest, names)
}

function parseImageAt({ id, kind }: Pick<NamedPlace, 'id' | 'kind'>, text: string, names: Names): ImageReference {
  const [path = '', query = ''] = kind === 'library' ? text.split(/\?(.*)/s, 2) : [text]
  const arch = kind === 'library' ? (parseLibraryArch(query) ?? names.arch) : usualArch
  const parse = { library: parseLibraryPath, shub: parseShubPath, static: parseStaticName }[kind as 'library' | 'shub' | 'static']
  return { kind: 'image', upstream: id, ...parse(path), arch: arch === usualArch ? undefined : arch }
}

function parseStaticName(text: string): Pick<ImageReference, 'name' | 'pointer'> {
  const colon = text.indexOf(':')
  if (colon < 0) return { name: parseImageName(text), pointer: 'latest' }
  return { name: parseImageName(text.slice(0, colon)), pointer: parseTag(text.slice(colon + 1)) }
}

/**
 * Reads the URL of a plain file, or of a static registry's manifest, as its upstream has it or as we give it.
 *
 * @throws Fault 'request-invalid' where it is neither, 'name-invalid', 'upstream-unknown', 'digest-invalid'
 */
export function parseUrl(text: string, names: Names): Target {
  const url = URL.parse(text)
  if (!url) throw invalid(text, 'it is not a URL')
  const { username, password, search, hash } = url
  if (username || password || search || hash)
    throw invalid(text.replace(/[?#].*$/s, '').replace(/\/\/.*@/s, '//'), 'write it without user, password, "?" and "#"')
  if (names.own.some((host) => normalizeRegistry(host) === normalizeRegistry(url.host))) return parseOwnUrl(url, names)
  const [place] = names.upstreams
    .filter((one) => (one.kind === 'files' || one.kind === 'static') && isBelow(url, one.url))
    .sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  if (!place) throw invalid(text, 'it lies below the url of no upstream of kind files or static')
  const rest = url.pathname.slice(folderOf(place.url).length)
  return place.kind === 'files' ? parseNameAt(place, rest, names) : parseManifestAt(place, rest, text)
}

function parseOwnUrl({ pathname, href }: URL, names: Names): Target {
  const [, door, name = '', rest = ''] = /^\/(files|static|blobs)\/([^/]+)\/(.+)$/s.exec(pathname) ?? []
  if (door === 'blobs') return { kind: 'digest', digest: parseDigest(`${name}:${rest}`) }
  const place = names.upstreams.find(({ id, kind }) => id === name && kind === door)
  if (door === undefined) throw invalid(href, 'of ours, files/…, static/…/manifests/… and blobs/… are names')
  if (!place) throw new Fault('upstream-unknown', { name: name.slice(0, 100) })
  return door === 'files' ? parseNameAt(place, rest, names) : parseManifestAt(place, rest, href)
}

function parseManifestAt({ id }: NamedPlace, rest: string, text: string): ImageReference {
  const asked = parseStaticPath(rest)
  if (!asked || asked.kind === 'tags') throw invalid(text, 'an image of a static registry is named by …/manifests/TAG')
  return { kind: 'image', upstream: id, name: asked.name, pointer: asked.pointer, arch: undefined }
}

function atHost(kind: 'library' | 'shub', host: string, names: Names): NamedPlace {
  const wanted = normalizeRegistry(host)
  if (names.own.some((own) => normalizeRegistry(own) === wanted)) return byDefault(kind, names)
  const places = names.upstreams.filter((one) => one.kind === kind)
  const found =
    places.find(({ id }) => normalizeRegistry(id) === wanted) ?? places.find(({ url }) => normalizeRegistry(url.host) === wanted)
  if (!found) throw new Fault('upstream-unknown', { name: host.slice(0, 100) })
  return found
}

function byDefault(kind: 'library' | 'shub', { upstreams, defaults }: Names): NamedPlace {
  const found = upstreams.find(({ id }) => id === defaults[kind])
  if (!found) throw new Fault('upstream-unknown', { name: `(no default ${kind})` })
  return found
}

function isBelow(url: URL, base: URL): boolean {
  return url.origin === base.origin && url.pathname.startsWith(folderOf(base))
}

function folderOf({ pathname }: URL): string {
  return `${pathname.replace(/\/+$/, '')}/`
}

export function invalid(text: string, why: string): Fault {
  return new Fault('request-invalid', { what: `"${text.slice(0, 200)}"`, why })
}
