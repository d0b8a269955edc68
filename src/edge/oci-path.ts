import { decodeOnce } from '../formats/percent.ts'

/** What a path below `/v2` asks for. Texts are decoded, and not yet checked by any grammar. */
export type OciPath =
  | { readonly kind: 'ping' | 'catalog' | 'other' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifests' | 'blobs' | 'referrers'; readonly name: string; readonly pointer: string }

const prefix = '/v2/'
const tagsList = '/tags/list'

/**
 * Takes a raw path apart, from the right, as names hold slashes.
 *
 * @see OCI distribution-spec, "Endpoints"
 */
export function parseOciPath(path: string): OciPath {
  if (path === prefix || path === '/v2') return { kind: 'ping' }
  if (!path.startsWith(prefix)) return { kind: 'other' }
  if (path === '/v2/_catalog') return { kind: 'catalog' }
  if (path.endsWith(tagsList) && path.length > prefix.length + tagsList.length)
    return { kind: 'tags', name: decodeOnce(path.slice(prefix.length, -tagsList.length)) }
  const last = path.lastIndexOf('/')
  const before = path.lastIndexOf('/', last - 1)
  const kind = path.slice(before + 1, last)
  if (before < prefix.length || (kind !== 'manifests' && kind !== 'blobs' && kind !== 'referrers')) return { kind: 'other' }
  return { kind, name: decodeOnce(path.slice(prefix.length, before)), pointer: decodeOnce(path.slice(last + 1)) }
}
