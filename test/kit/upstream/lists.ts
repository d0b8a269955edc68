import { ociIndex } from '../../../src/model/media-type.ts'
import { type Answer, errorAnswer } from './answer.ts'
import type { Shelves } from './shelves.ts'

export interface ListOptions {
  readonly pageSize?: number // entries in a page of tags or referrers at most
  readonly referrers?: 'filtered' | 'unfiltered' | 'none' // none: 404, as registries of before 1.1
  readonly absoluteLinks?: boolean
}

export interface ListPlace {
  readonly origin: string
  readonly basePath: string
}

/** One page of tags, in order, with a Link to the next. */
export function tagList(
  shelves: Shelves,
  repository: string,
  query: URLSearchParams,
  options: ListOptions,
  place: ListPlace,
): Answer {
  if (!shelves.has(repository)) return errorAnswer(404, 'NAME_UNKNOWN')
  const asked = Number(query.get('n') ?? Number.POSITIVE_INFINITY)
  const size = Math.min(asked, options.pageSize ?? Number.POSITIVE_INFINITY)
  const last = query.get('last')
  const after = shelves.tags(repository).filter((tag) => last === null || tag > last)
  const tags = after.slice(0, size)
  const next = `/v2/${repository}/tags/list?last=${encodeURIComponent(tags.at(-1) ?? '')}&n=${size}`
  return document(
    { name: repository, tags },
    'application/json',
    after.length > tags.length && tags.length > 0 ? link(next, options, place) : {},
  )
}

/** What refers to a digest, filtered by artifactType where this registry does that, paged by offset. */
export function referrerList(
  shelves: Shelves,
  repository: string,
  digest: string,
  query: URLSearchParams,
  options: ListOptions,
  place: ListPlace,
): Answer {
  if (options.referrers === 'none') return { status: 404, headers: { 'content-type': 'text/plain' }, bytes: Buffer.from('404') }
  if (!/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(digest)) return errorAnswer(400, 'DIGEST_INVALID')
  const type = options.referrers === 'unfiltered' ? null : query.get('artifactType')
  const fitting = shelves.referrers(repository, digest).filter((entry) => type === null || entry.artifactType === type)
  const from = Number(query.get('from') ?? 0)
  const size = options.pageSize ?? Number.POSITIVE_INFINITY
  const filter = type === null ? '' : `&artifactType=${encodeURIComponent(type)}`
  const next = `/v2/${repository}/referrers/${digest}?from=${from + size}${filter}`
  return document({ schemaVersion: 2, mediaType: ociIndex, manifests: fitting.slice(from, from + size) }, ociIndex, {
    ...(type !== null && { 'oci-filters-applied': 'artifactType' }),
    ...(fitting.length > from + size && link(next, options, place)),
  })
}

function link(path: string, { absoluteLinks }: ListOptions, { origin, basePath }: ListPlace) {
  return { link: `<${absoluteLinks ? origin : ''}${basePath}${path}>; rel="next"` }
}

function document(value: unknown, type: string, headers: Record<string, string>): Answer {
  return { status: 200, headers: { 'content-type': type, ...headers }, bytes: Buffer.from(JSON.stringify(value)) }
}
