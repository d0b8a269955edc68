import { pgpSignatureType } from '../formats/metalink-document.ts'
import type { Source } from '../model/artifact.ts'
import { isFault } from '../model/fault.ts'
import type { Http } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { fileInLinkedMetalink } from './linked-metalink.ts'
import { statusFault } from './oci-session.ts'
import type { FoundSignature, MetalinkLinks, SignatureFinder, SourceBody, SourceReader } from './upstream.ts'

export interface SignatureFinderDeps {
  readonly http: Pick<Http, 'request' | 'mayLearn'>
  /** As bytes of the place are read, with whatever it takes to be let in. */
  readonly read: SourceReader['read']
  /** Are signatures of its files found beside them? */
  readonly isPlain: (source: Source) => boolean
}

const longest = 64 * 1024 // bytes
const mostLinked = 2
const suffixes = ['.asc', '.sig'] as const

export function createSignatureFinder({ http, read, isPlain }: SignatureFinderDeps): SignatureFinder {
  async function fetch(url: URL, signal: AbortSignal): Promise<FoundSignature | undefined> {
    const headers = { accept: `${pgpSignatureType}, */*;q=0.1` }
    const answer = await http.request({ method: 'GET', url, headers, signal })
    if (answer.status === 200) {
      const bytes = await firstBytes(answer.body, longest)
      return bytes && { bytes, at: redactUrl(url) }
    }
    await answer.discard()
    if (answer.status >= 500 || answer.status === 429) throw statusFault(answer)
    return undefined
  }

  /** A signature beside a file is asked for as the file is. */
  async function readSmall(source: Source, signal: AbortSignal): Promise<FoundSignature | undefined> {
    const control = new AbortController()
    try {
      const { body } = await read(source, {}, AbortSignal.any([signal, control.signal]))
      const bytes = await firstBytes(body, longest)
      return bytes && { bytes, at: redactUrl(source.url) }
    } catch (error) {
      if (isFault(error, 'not-found', 'upstream-refused')) return undefined
      throw error
    } finally {
      control.abort()
    }
  }

  /** The place need not give more than one byte for it to say in its header fields what it knows. */
  async function linksAt(source: Source, signal: AbortSignal): Promise<MetalinkLinks | undefined> {
    const control = new AbortController()
    try {
      const { links } = await read(source, { range: { start: 0, end: 1 } }, AbortSignal.any([signal, control.signal]))
      return links
    } catch (error) {
      if (isFault(error, 'source-changed')) return undefined // there is no first byte
      throw error
    } finally {
      control.abort()
    }
  }

  const finder: SignatureFinder = {
    async at(source, wanted, signal) {
      const links = await linksAt(source, signal)
      const linked = links ? await finder.linked(links, signal) : []
      if (linked.length > 0) return linked
      const described = links ? await finder.inMetalink(links, wanted, signal) : []
      if (described.length > 0) return described
      return finder.beside(source, signal)
    },
    async linked({ describedBy }, signal) {
      const found: FoundSignature[] = []
      const named = describedBy.filter(({ mediaType, url }) => mediaType === pgpSignatureType && http.mayLearn(new URL(url)))
      for (const { url } of named.slice(0, mostLinked)) {
        const one = await fetch(new URL(url), signal)
        if (one) found.push(one)
      }
      return found
    },
    async inMetalink(links, wanted, signal) {
      const file = await fileInLinkedMetalink(http, links, wanted, signal)
      return file?.signature === undefined ? [] : [{ bytes: Buffer.from(file.signature), at: 'its metalink' }]
    },
    async beside(source, signal) {
      if (!isPlain(source)) return []
      for (const suffix of suffixes) {
        const url = new URL(source.url)
        url.pathname += suffix
        const found = await readSmall({ ...source, url }, signal)
        if (found && looksLikeOne(found.bytes)) return [found]
      }
      return []
    },
  }
  return finder
}

/** Nothing where there is more: no signature is so long. */
async function firstBytes(body: SourceBody['body'], limit: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > limit) return undefined
    parts.push(Buffer.from(part))
  }
  return Buffer.concat(parts)
}

/** Some servers answer with a page of their own where there is nothing. A packet's first byte has its highest bit set. */
function looksLikeOne(bytes: Uint8Array): boolean {
  return bytes.length > 0 && (bytes[0]! >= 0x80 || Buffer.from(bytes).includes('-----BEGIN PGP SIGNATURE-----'))
}
