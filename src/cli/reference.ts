import type { Target } from '../catalog/catalog.ts'
import { algorithms, digestOrUndefined, parseDigest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type ManifestReference, parseRepository, parseTag, type Tag } from '../model/reference.ts'
import { isDockerHub, looksLikeRegistry, normalizeRegistry } from '../model/registry-name.ts'
import { invalid, type NamedPlace, type Names, parseNameAt, parseSchemeName, parseUrl } from './named-reference.ts'

export type { Names }

const schemes = ['docker://', 'oras://', 'library://', 'shub://', 'https://', 'http://'] as const
const defaultTag = 'latest' as Tag
const mustBeDigest = 'a blob is named by its digest: REGISTRY/NAME@sha256:…'

/**
 * Reads what people type for an image or a file, as the clients write it: `docker://docker.io/library/alpine:3.20`, `oras://…`,
 * `library://…`, `shub://…`, the URL of a file; the name of an upstream and what stands behind it, as we print it;
 * `…@sha256:…`, or a digest alone. Without a tag it is `latest`; a digest wins over a tag.
 *
 * @throws Fault 'request-invalid', 'upstream-unknown', 'name-invalid', 'tag-invalid', 'digest-invalid'
 */
export function parseTarget(text: string, names: Names): Target {
  const digest = digestOrUndefined(text)
  if (digest) return { kind: 'digest', digest }
  if (algorithms.some((name) => text.startsWith(`${name}:`))) parseDigest(text)
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? []
  switch (scheme?.toLowerCase()) {
    case 'docker':
    case 'oras':
      return parseImage(rest, names)
    case 'library':
    case 'shub':
      return parseSchemeName(scheme!.toLowerCase() as 'library' | 'shub', rest, names)
    case 'http':
    case 'https':
      return parseUrl(text, names)
    case undefined:
      return parseBare(text, names)
    default:
      throw invalid(text, `${scheme!.slice(0, 40)}:// is none of ${schemes.join(', ')}`)
  }
}

/** What begins with the name of an upstream that gives whole files is one of those. */
function parseBare(text: string, names: Names): Target {
  const slash = text.indexOf('/')
  const place = names.upstreams.find(({ id, kind }) => kind !== 'oci' && id === text.slice(0, slash))
  return place ? parseNameAt(place, text.slice(slash + 1), names) : parseImage(text, names)
}

/** The blob that `…@sha256:…` names in its repository, or a digest alone. @throws Fault as `parseTarget` */
export function parseBlobTarget(text: string, names: Names): Target {
  const target = parseTarget(text, names)
  if (target.kind === 'digest') return target
  if (target.kind !== 'manifest') throw invalid(text, mustBeDigest)
  const { upstream, repository, pointer } = target
  const digest = digestOrUndefined(pointer)
  if (!digest) throw invalid(text, mustBeDigest)
  return { kind: 'blob', upstream, repository, digest }
}

function parseImage(text: string, names: Names): ManifestReference {
  const at = text.indexOf('@')
  const named = at < 0 ? text : text.slice(0, at)
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  const tag = colon < 0 ? defaultTag : parseTag(named.slice(colon + 1))
  const place = parsePlace(colon < 0 ? named : named.slice(0, colon), names)
  return { kind: 'manifest', ...place, pointer: at < 0 ? tag : parseDigest(text.slice(at + 1)) }
}

function parsePlace(name: string, names: Names): Pick<ManifestReference, 'upstream' | 'repository'> {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const named = first === '' ? undefined : byName(first, names)
  if (!named && looksLikeRegistry(first)) throw new Fault('upstream-unknown', { name: first.slice(0, 100) })
  const upstream = named ?? names.upstreams.find(({ id }) => id === names.defaults.oci)
  if (!upstream) throw new Fault('upstream-unknown', { name: (first || name).slice(0, 100) })
  const rest = named ? name.slice(slash + 1) : name
  const isShort = isDockerHub(upstream) && !rest.includes('/') && rest !== ''
  return { upstream: upstream.id, repository: parseRepository(isShort ? `library/${rest}` : rest) }
}

function byName(host: string, { upstreams }: Names): NamedPlace | undefined {
  const wanted = normalizeRegistry(host)
  const registries = upstreams.filter(({ kind }) => kind === 'oci')
  return (
    registries.find(({ id }) => normalizeRegistry(id) === wanted) ??
    registries.find(({ hosts }) => hosts.some((alias) => normalizeRegistry(alias) === wanted))
  )
}
