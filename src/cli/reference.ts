import type { Target } from '../catalog/catalog.ts'
import { algorithms, digestOrUndefined, parseDigest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type ManifestReference, parseRepository, parseTag, type Tag, type UpstreamId } from '../model/reference.ts'
import { isDockerHub, looksLikeRegistry, normalizeRegistry } from '../model/registry-name.ts'

/** The upstreams of the settings, as far as naming goes. */
export interface Names {
  readonly upstreams: readonly { readonly id: UpstreamId; readonly hosts: readonly string[]; readonly url: URL }[]
  readonly fallback: UpstreamId | undefined // for a name without a registry
}

const schemes = ['docker://', 'oras://'] as const
const defaultTag = 'latest' as Tag

/**
 * Reads what people type for an image, as the clients write it: `docker://docker.io/library/alpine:3.20`, `oras://…`, the
 * same without a scheme, `…@sha256:…`, or a digest alone. Without a tag it is `latest`; a digest wins over a tag.
 *
 * @throws Fault 'request-invalid', 'upstream-unknown', 'name-invalid', 'tag-invalid', 'digest-invalid'
 */
export function parseTarget(text: string, names: Names): Target {
  const digest = digestOrUndefined(text)
  if (digest) return { kind: 'digest', digest }
  if (algorithms.some((name) => text.startsWith(`${name}:`))) parseDigest(text)
  return parseImage(withoutScheme(text), names)
}

/** The blob that `…@sha256:…` names in its repository, or a digest alone. @throws Fault as `parseTarget` */
export function parseBlobTarget(text: string, names: Names): Target {
  const target = parseTarget(text, names)
  if (target.kind !== 'manifest') return target
  const { upstream, repository, pointer } = target
  const digest = digestOrUndefined(pointer)
  if (!digest) throw invalid(text, 'a blob is named by its digest: REGISTRY/NAME@sha256:…')
  return { kind: 'blob', upstream, repository, digest }
}

function withoutScheme(text: string): string {
  const scheme = schemes.find((one) => text.startsWith(one))
  if (scheme) return text.slice(scheme.length)
  const other = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0]
  if (other) throw invalid(text, `${other} is none of ${schemes.join(', ')}`)
  return text
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
  const upstream = named ?? names.upstreams.find(({ id }) => id === names.fallback)
  if (!upstream) throw new Fault('upstream-unknown', { name: (first || name).slice(0, 100) })
  const rest = named ? name.slice(slash + 1) : name
  const isShort = isDockerHub(upstream) && !rest.includes('/') && rest !== ''
  return { upstream: upstream.id, repository: parseRepository(isShort ? `library/${rest}` : rest) }
}

function byName(host: string, { upstreams }: Names): Names['upstreams'][number] | undefined {
  const wanted = normalizeRegistry(host)
  return (
    upstreams.find(({ id }) => normalizeRegistry(id) === wanted) ??
    upstreams.find(({ hosts }) => hosts.some((alias) => normalizeRegistry(alias) === wanted))
  )
}

function invalid(text: string, why: string): Fault {
  return new Fault('request-invalid', { what: `"${text.slice(0, 200)}"`, why })
}
