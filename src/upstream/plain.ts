import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import type { Http, HttpResponse } from '../system/http.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createPlaces, type Places } from '../system/places.ts'
import { redactUrl } from '../system/redact.ts'
import { checkedBody, leavingAfter, lengthOf, partFields } from './body-answer.ts'
import { statusFault } from './oci-session.ts'
import type { SourceReader } from './upstream.ts'

export interface PlainReader extends SourceReader {
  /** The size that the bytes of a place have for anybody; undefined: it has not got them. @throws Fault 'upstream-…' */
  sizeAt(source: Pick<Source, 'url' | 'place'>, signal: AbortSignal): Promise<number | undefined>
}

const usualBodiesAtOnce = 4
const accept = { accept: `${octetStream}, */*` }

/** Reads what any HTTP server gives to anybody: no credentials, no tokens. Redirects are followed and checked. `bodiesAtOnce`: from one host. */
export function createPlainReader(http: Http, bodiesAtOnce = usualBodiesAtOnce): PlainReader {
  const placesOf = createMemoryCache<string, Places>({ maxEntries: 1000 }) // by host

  function placesAt({ host }: URL): Places {
    const known = placesOf.get(host) ?? createPlaces(bodiesAtOnce)
    placesOf.set(host, known)
    return known
  }

  return {
    async read(source, want, signal) {
      const { url } = source
      if (source.place === 'learnt') demandLearnable(http, url)
      const leave = await placesAt(url).enter(signal)
      want.sent?.()
      signal.addEventListener('abort', leave, { once: true })
      try {
        const headers = { ...fieldsFor(source), ...partFields(want) }
        const answer = await http.request({ method: 'GET', url, headers, signal })
        if (isWithout(source, answer)) {
          answer.cancel()
          throw new Fault('not-found', { what: redactUrl(url) })
        }
        return { ...checkedBody(answer, want.range), body: leavingAfter(answer.body, leave) }
      } catch (error) {
        leave()
        throw error
      }
    },
    async sizeAt(source, signal) {
      const answer = await http.request({ method: 'HEAD', url: source.url, headers: fieldsFor(source), signal })
      await answer.discard()
      if (answer.status === 200) return lengthOf(answer)
      if (isWithout(source, answer)) return undefined
      throw statusFault(answer)
    },
  }
}

/** Somebody else named it. @throws Fault 'outbound-blocked' */
export function demandLearnable(http: Pick<Http, 'mayLearn'>, url: URL): void {
  if (!http.mayLearn(url))
    throw new Fault('outbound-blocked', {
      url: redactUrl(url),
      why: 'a place that is private or not https has to be named in outbound.allow',
    })
}

/** A sibling that has not got it would fetch it, perhaps from us: it is asked for what it holds. @see RFC 9111 §5.2.1.7 */
function fieldsFor({ place }: Pick<Source, 'place'>): Readonly<Record<string, string>> {
  return place === 'sibling' ? { ...accept, 'cache-control': 'only-if-cached' } : accept
}

/** It answers, and has not got it. */
function isWithout({ place }: Pick<Source, 'place'>, { status }: HttpResponse): boolean {
  return status === 404 || status === 410 || (place === 'sibling' && status === 504)
}
