import { parseMetalink } from '../formats/metalink.ts'
import { type ForeignFile, metalink3Type, metalink4Type } from '../formats/metalink-document.ts'
import { metalinkLimits } from '../formats/metalink-xml.ts'
import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { Http } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { fitting } from './discovery.ts'
import { statusFault } from './oci-session.ts'
import type { Described, Discover, SourceReader } from './upstream.ts'

const accept = `${metalink4Type}, ${metalink3Type};q=0.9, */*;q=0.1`
const nothing = { duplicates: [], describedBy: [] }

export interface DescribedPlaces extends Described {
  /** Answers of places that a document named are told as what leads to that document: to the hashes of its pieces. */
  reading(read: SourceReader['read']): SourceReader['read']
  discovering(discover: Discover): Discover
}

/** Metalinks that somebody names, and the places in them. None is given credentials. @see RFC 5854 */
export function createDescribed(http: Pick<Http, 'request' | 'mayLearn'>): DescribedPlaces {
  const files = new WeakMap<Source, ForeignFile>()

  return {
    async read(url, signal) {
      if (url.protocol !== 'https:' && !http.mayLearn(url))
        throw new Fault('outbound-blocked', { url: redactUrl(url), why: 'it is neither https nor named in outbound.allow' })
      const answer = await http.request({ method: 'GET', url, headers: { accept }, signal })
      if (answer.status === 200) return parseMetalink(await answer.bytes(metalinkLimits.bytes), redactUrl(url))
      await answer.discard()
      throw statusFault(answer)
    },
    sourcesOf(file, via) {
      const sources = file.urls.map(({ url, priority, country }): Source => {
        return { url: new URL(url), via, priority, place: 'learnt', ...(country && { country }) }
      })
      for (const source of sources) files.set(source, file)
      return sources.filter(({ url }) => http.mayLearn(url))
    },
    reading: (read) => async (source, want, signal) => {
      const answer = await read(source, want, signal)
      return files.has(source) ? { ...answer, links: nothing } : answer
    },
    discovering: (discover) => async (digest, size, links, from, signal) => {
      const file = files.get(from)
      if (!file) return discover(digest, size, links, from, signal)
      return { pieces: file.pieces && fitting(file.pieces, size), sources: [], signature: file.signature }
    },
  }
}
