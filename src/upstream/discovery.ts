import type { Source } from '../model/artifact.ts'
import { type PieceHashes, pieceHashBytes } from '../model/pieces.ts'
import type { Http } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { redactUrl } from '../system/redact.ts'
import { fileInLinkedMetalink, notToBeAsked } from './linked-metalink.ts'
import type { Discover } from './upstream.ts'

const learntPriority = 400_000 // after the mirrors of the settings, before the upstream itself
const mostSources = 16
const mostReasons = 10 // told in one line of the log

/**
 * Reads the metalink that an answer points to, and the mirrors it names itself. What is learnt so is never followed any
 * further, and gets no credentials.
 *
 * @see RFC 6249 §3, §4; RFC 5854
 */
export function createDiscovery(http: Pick<Http, 'request' | 'mayLearn'>, log: Pick<Logger, 'info'>): Discover {
  return async (digest, size, links, from, signal) => {
    if (from.place === 'learnt') return { pieces: undefined, sources: [] }
    const passedOver = new Set<string>()
    const passOver = (why: string) => void passedOver.add(why)
    const file = await fileInLinkedMetalink(http, links, { digest, size }, signal, passOver)
    const urls = [...links.duplicates, ...(file?.urls ?? [])]
    const pieces = file?.pieces && fitting(file.pieces, size)
    const sources = sourcesOf(urls, from, passOver)
    const why = [...passedOver].slice(0, mostReasons)
    if (why.length > 0) log.info('discover.passed-over', { what: digest, url: redactUrl(from.url), why })
    return { pieces, sources, signature: file?.signature }
  }

  function sourcesOf(
    urls: readonly { url: string; country?: string }[],
    { via, url: own }: Source,
    passOver: (why: string) => void,
  ): readonly Source[] {
    const seen = new Set([own.href])
    const found: Source[] = []
    for (const { url, country } of urls) {
      const parsed = new URL(url)
      if (seen.has(parsed.href) || found.length >= mostSources) continue
      seen.add(parsed.href)
      if (!http.mayLearn(parsed)) passOver(notToBeAsked(parsed))
      else found.push({ url: parsed, via, priority: learntPriority + found.length, place: 'learnt', ...(country && { country }) })
    }
    return found
  }
}

/** Their number must be right for that size; their length need not be ours. */
export function fitting({ length, hashes }: PieceHashes, size: number): PieceHashes | undefined {
  return hashes.length === Math.ceil(size / length) * pieceHashBytes ? { length, hashes } : undefined
}
