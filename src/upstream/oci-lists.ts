import { type Link, parseLinkField } from '../formats/link-fields.ts'
import { Fault } from '../model/fault.ts'
import { bareMediaType, ociIndex } from '../model/media-type.ts'
import type { Repository } from '../model/reference.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { type Session, statusFault } from './oci-session.ts'
import type { Listings, TagPage } from './upstream.ts'

const listLimit = 16 * 1024 * 1024
const mostPages = 50

/** Tags and referrers of a registry. @see OCI distribution-spec, "Content Discovery" */
export function createOciLists(session: Session): Listings {
  async function get(url: URL, repository: Repository, signal: AbortSignal): Promise<HttpResponse | undefined> {
    const answer = await session.sendPatiently({
      method: 'GET',
      url,
      headers: { accept: `${ociIndex}, application/json` },
      repository,
      signal,
    })
    if (answer.status === 200) return answer
    await answer.discard()
    if (answer.status === 404) return undefined
    throw statusFault(answer)
  }

  return {
    async tags(repository, { n, last }, ask): Promise<TagPage | undefined> {
      const url = session.urlOf(`${repository}/tags/list`)
      if (n !== undefined) url.searchParams.set('n', String(n))
      if (last !== undefined) url.searchParams.set('last', last)
      const answer = await get(url, repository, ask.signal)
      if (!answer) return undefined
      const object = objectIn(await answer.bytes(listLimit), answer)
      const tags = Array.isArray(object.tags) ? object.tags.filter((tag) => typeof tag === 'string') : []
      const following = nextOf(answer)
      // Some name the next page by a word of their own; all of them take the last tag of this one.
      const after = following && (following.searchParams.get('last') ?? tags.at(-1))
      const count = following?.searchParams.get('n')
      return {
        tags,
        next: after ? { n: count && /^\d{1,9}$/.test(count) ? Number(count) : n, last: after } : undefined,
      }
    },

    /** An answer in several pages is put together: our clients see one. */
    async referrers(repository, digest, filter, ask) {
      const url = session.urlOf(`${repository}/referrers/${digest}`)
      if (filter !== undefined) url.searchParams.set('artifactType', filter)
      const first = await get(url, repository, ask.signal)
      if (!first) return undefined
      const mediaType = bareMediaType(first.header('content-type')) ?? ociIndex
      const isFiltered = (first.header('oci-filters-applied') ?? '').split(',').some((name) => name.trim() === 'artifactType')
      let following = nextOf(first)
      const document = await first.bytes(listLimit)
      const whole = objectIn(document, first)
      if (!following) return { document, mediaType, isFiltered }
      const lists = [listOf(whole)]
      for (let pages = 1; following && following.origin === url.origin && pages < mostPages; pages++) {
        const answer = await get(following, repository, ask.signal)
        if (!answer) break
        following = nextOf(answer)
        lists.push(listOf(objectIn(await answer.bytes(listLimit), answer)))
      }
      return { document: Buffer.from(JSON.stringify({ ...whole, manifests: lists.flat(1) })), mediaType, isFiltered }
    },
  }
}

function objectIn(bytes: Uint8Array, { url }: Pick<HttpResponse, 'url'>): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>
  } catch {}
  throw new Fault('upstream-invalid', { url: redactUrl(url), why: 'it is not a JSON object' })
}

function listOf(index: Record<string, unknown>): readonly unknown[] {
  return Array.isArray(index.manifests) ? index.manifests : []
}

/** The target of `Link: <…>; rel="next"`. @see RFC 8288 §3 */
export function nextOf(answer: Pick<HttpResponse, 'headers' | 'url'>): URL | undefined {
  const next = answer
    .headers('link')
    .flatMap(parseLinkField)
    .find(({ parameters }) => relationsIn(parameters).includes('next'))
  return next && (URL.parse(next.target, answer.url.href) ?? undefined)
}

function relationsIn(parameters: Link['parameters']): readonly string[] {
  return (parameters.get('rel') ?? '').toLowerCase().split(/\s+/)
}
