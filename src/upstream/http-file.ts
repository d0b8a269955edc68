import { parseDigestField, parseReprDigest } from '../formats/digest-reading.ts'
import { metalink4Type } from '../formats/metalink-document.ts'
import type { Source } from '../model/artifact.ts'
import { algorithmOf, isStrong } from '../model/digest.ts'
import type { Told } from '../model/facts.ts'
import { Fault, isUpstreamFailing } from '../model/fault.ts'
import { bareMediaType, octetStream } from '../model/media-type.ts'
import { parseContentRange } from '../model/range.ts'
import type { FileReference, NameReference } from '../model/reference.ts'
import type { HttpResponse } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { redactUrl } from '../system/redact.ts'
import { conditionsFor, lengthOf, validatorsOf } from './body-answer.ts'
import { createChecksumsBeside, type Word } from './checksums-beside.ts'
import { type FileMetalink, metalinkBeside, metalinkUrl } from './metalink-beside.ts'
import { statusFault } from './oci-session.ts'
import type { Admitting, NamedUpstream, RepositoryReference, SourceBody } from './upstream.ts'
import { createWebSession, type WebSessionDeps } from './web-session.ts'

export interface FilesUpstreamDeps extends WebSessionDeps {
  readonly log: Pick<Logger, 'info'>
  readonly checksums: boolean // looked for beside a file
  readonly metalink: boolean // likewise
  readonly folders: 'refuse' | 'pass'
}

/** What was heard of the bytes of a file besides themselves. */
interface Hearsay {
  readonly words: readonly Word[]
  readonly metalink: FileMetalink | undefined
  readonly isWhole: boolean // false: something could not be asked
}

/** Any tree of files that a web server gives. */
export function createFilesUpstream(deps: FilesUpstreamDeps): NamedUpstream & Admitting<NameReference | RepositoryReference> {
  const { id, isPublic, clock, log } = deps
  const session = createWebSession(deps)
  const checksums = createChecksumsBeside(session, clock)
  const described = new WeakSet<Source>() // there is a metalink of it

  /** Some servers have no HEAD for what they have: the first byte comes with the same fields. */
  async function look(url: URL, conditions: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpResponse> {
    const head = await session.ask('HEAD', url, signal, conditions)
    await head.discard()
    if (![403, 405, 501].includes(head.status)) return head
    const first = await session.ask('GET', url, signal, { ...conditions, range: 'bytes=0-0' })
    first.cancel()
    if (first.status !== 416) return first
    const empty = await session.ask('GET', url, signal, conditions) // it has no first byte
    empty.cancel()
    return empty
  }

  async function heardOf(url: URL, answer: HttpResponse, isNew: boolean, signal: AbortSignal): Promise<Hearsay> {
    let isWhole = true
    async function unlessFailing<T>(what: string, question: () => Promise<T>): Promise<T | undefined> {
      try {
        return await question()
      } catch (error) {
        if (!isUpstreamFailing(error)) throw error
        isWhole = false
        log.info(what, { url: redactUrl(url), error })
        return undefined
      }
    }
    const beside = deps.checksums && (await unlessFailing('checksums.unasked', () => checksums.find(url, isNew, signal)))
    const metalink =
      (deps.metalink && (await unlessFailing('metalink.unasked', () => metalinkBeside(session, url, sizeOf(answer), signal)))) ||
      undefined
    const words = [...digestsIn(answer), ...(beside ? [beside] : []), ...(metalink?.word ? [metalink.word] : [])]
    return { words, metalink, isWhole }
  }

  function toldBy(url: URL, answer: HttpResponse, { words, metalink, isWhole }: Hearsay): Told {
    const validators = validatorsOf(answer)
    const size = sizeOf(answer)
    const { etag, lastModified } = validators
    const word = agreed(url, words)
    const isVersioned = etag !== undefined || lastModified !== undefined || word !== undefined
    return {
      claimed: word?.digest,
      size,
      mediaType: bareMediaType(answer.header('content-type')) ?? octetStream,
      validators,
      // Where nothing tells versions apart, each answer may be about another.
      version: isVersioned ? [etag, lastModified, size, word?.digest].join(' ') : `at ${clock.now()}`,
      urls: [],
      about: {
        ...(word && { digestFrom: word.from }),
        ...(metalink && { hasMetalink: true }),
        ...(!isWhole && { isHalfHeard: true }),
      },
    }
  }

  function demandFile(url: URL, answer: HttpResponse): void {
    if (deps.folders === 'refuse' && answer.url.pathname === `${url.pathname}/`)
      throw new Fault('denied', { what: `the folder ${redactUrl(url)}/`, by: 'the settings of this proxy (folders: refuse)' })
  }

  return {
    id,
    isPublic,
    sourcesOf({ reference, about }) {
      const source: Source = { url: session.urlOf(pathOf(reference)), via: id, priority: 500_000 }
      if (about.hasMetalink === true) described.add(source)
      return [source]
    },
    async resolve(reference, { signal }, known) {
      const url = session.urlOf(pathOf(reference))
      const answer = await look(url, known && !known.about.isHalfHeard ? conditionsFor(known.validators) : {}, signal)
      if (answer.status === 304 && known) return { outcome: 'unchanged' }
      if (answer.status === 404 || answer.status === 410) return { outcome: 'missing' }
      if (answer.status !== 200 && answer.status !== 206) throw statusFault(answer)
      demandFile(url, answer)
      return { outcome: 'found', told: toldBy(url, answer, await heardOf(url, answer, known === undefined, signal)) }
    },
    async admits(reference, { signal }) {
      if (reference.kind === 'repository') return false // there are none
      const answer = await look(session.urlOf(pathOf(reference)), {}, signal)
      if (answer.status === 404 || answer.status === 410) return false
      if (answer.status !== 200 && answer.status !== 206) throw statusFault(answer)
      return true
    },
    async read(source, want, signal) {
      const answer = await session.read(source.url, want, signal)
      return described.has(source) ? withMetalink(answer, source.url) : answer
    },
  }
}

function pathOf(reference: NameReference): FileReference['path'] {
  if (reference.kind !== 'file') throw new Fault('internal', { what: 'an image was asked of a tree of files' })
  return reference.path
}

function sizeOf(answer: HttpResponse): number | undefined {
  return answer.status === 206 ? parseContentRange(answer.header('content-range'))?.total : lengthOf(answer)
}

function digestsIn(answer: HttpResponse): readonly Word[] {
  const digests = [...parseReprDigest(answer.headers('repr-digest')), ...parseDigestField(answer.headers('digest'))]
  return digests.filter(isStrong).map((digest) => ({ digest, from: `its own answer` }))
}

/** A sha256 where there is one, as by that the store knows it. @throws Fault 'upstream-invalid' where two words differ */
function agreed(url: URL, words: readonly Word[]): Word | undefined {
  for (const word of words) {
    const other = words.find(({ digest }) => algorithmOf(digest) === algorithmOf(word.digest) && digest !== word.digest)
    if (!other) continue
    const why = `it is ${word.digest} as ${word.from} says, and ${other.digest} as ${other.from} says`
    throw new Fault('upstream-invalid', { url: redactUrl(url), why })
  }
  return words.find(({ digest }) => algorithmOf(digest) === 'sha256') ?? words[0]
}

/** As if its server had said so. @see RFC 6249 §4.1 */
function withMetalink(answer: SourceBody, file: URL): SourceBody {
  const { duplicates = [], describedBy = [] } = answer.links ?? {}
  const own = { url: metalinkUrl(file).href, mediaType: metalink4Type }
  return { ...answer, links: { duplicates, describedBy: [own, ...describedBy] } }
}
