import { parseMetalink } from '../formats/metalink.ts'
import { metalink4Type } from '../formats/metalink-document.ts'
import { metalinkLimits } from '../formats/metalink-xml.ts'
import type { Source } from '../model/artifact.ts'
import { type PieceHashes, pieceHashBytes } from '../model/pieces.ts'
import type { Http } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import type { Discover } from './upstream.ts'

const learntPriority = 400_000 // after the mirrors of the settings, before the upstream itself
const mostSources = 16

/**
 * Reads the metalink that an answer points to, and the mirrors it names itself. What is learnt so is never followed any
 * further, and gets no credentials.
 *
 * @see RFC 6249 §3, §4; RFC 5854
 */
export function createDiscovery(http: Pick<Http, 'request' | 'mayLearn'>): Discover {
  return async (digest, size, links, from, signal) => {
    if (from.place === 'learnt') return { pieces: undefined, sources: [] }
    const document = links.describedBy.find(({ mediaType, url }) => mediaType === metalink4Type && http.mayLearn(new URL(url)))
    const file = document && (await fileIn(new URL(document.url)))
    const urls = [...links.duplicates, ...(file?.urls ?? [])]
    return { pieces: file?.pieces && fitting(file.pieces, size), sources: sourcesOf(urls, from) }

    async function fileIn(url: URL) {
      const answer = await http.request({ method: 'GET', url, headers: { accept: metalink4Type }, signal })
      if (answer.status !== 200) {
        await answer.discard()
        return undefined
      }
      const { files } = parseMetalink(await answer.bytes(metalinkLimits.bytes), redactUrl(url))
      return files.find((one) => one.digests.includes(digest) && (one.size === undefined || one.size === size))
    }
  }

  function sourcesOf(urls: readonly { url: string; country?: string }[], { via, url: own }: Source): readonly Source[] {
    const seen = new Set([own.href])
    const found: Source[] = []
    for (const { url, country } of urls) {
      const parsed = new URL(url)
      if (seen.has(parsed.href) || !http.mayLearn(parsed) || found.length >= mostSources) continue
      seen.add(parsed.href)
      found.push({ url: parsed, via, priority: learntPriority + found.length, place: 'learnt', ...(country && { country }) })
    }
    return found
  }
}

/** Their number must be right for that size; their length need not be ours. */
function fitting({ length, hashes }: PieceHashes, size: number): PieceHashes | undefined {
  return hashes.length === Math.ceil(size / length) * pieceHashBytes ? { length, hashes } : undefined
}
