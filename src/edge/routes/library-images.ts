import type { Pulls } from '../../catalog/catalog.ts'
import { printHash } from '../../formats/image-hash.ts'
import { listLibraryImage, printLibraryImage, readLibraryImage } from '../../formats/library-image.ts'
import { digestInPointer, parseLibraryArch, parseLibraryPath } from '../../formats/library-path.ts'
import { asBlobId, type BlobId, hexOf } from '../../model/digest.ts'
import type { NameFacts } from '../../model/facts.ts'
import type { ImageReference, UpstreamId } from '../../model/reference.ts'
import type { AnswerArtifact } from '../artifact.ts'
import { type FieldOptions, outcomeFields } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { OwnUrl } from '../own-url.ts'
import type { Promises } from '../promises.ts'
import { answerJson } from '../short-answer.ts'
import { wantsMetalink } from './blobs.ts'
import type { createMetalinkRoutes } from './metalink.ts'

export interface LibraryImagesDeps {
  readonly catalog: Pick<Pulls, 'told' | 'hashed' | 'held'>
  readonly promises: Promises
  readonly ownUrl: OwnUrl
  readonly artifact: AnswerArtifact
  readonly metalinks: Pick<ReturnType<typeof createMetalinkRoutes>, 'ofFile'>
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
}

/** What is asked for below `v1/images/` and `v1/imagefile/`. */
export interface LibraryAsked {
  readonly upstream: UpstreamId
  readonly path: string
  readonly query: string
}

const usualArch = 'amd64'
const onePart = 5 * 1024 * 1024 // bytes: what clients fetch at once, so that there is nothing to gain for less

/** Images of a library and their files. @see container-library-client client/pull.go */
export function createLibraryImages({ catalog, promises, ownUrl, artifact, metalinks, fields }: LibraryImagesDeps) {
  return {
    /** @throws Fault */
    async image(exchange: Exchange, asked: LibraryAsked): Promise<void> {
      const reference = referenceOf(asked)
      if (mayNotWait(exchange)) {
        const { facts, outcome } = await catalog.told(reference, exchange)
        if (!facts.id && !(facts.claimed && asBlobId(facts.claimed))) return answerJson(exchange, printUnhashed(facts), outcome)
      }
      const again = await promises.asksAgain(exchange, reference)
      const { facts, id, size, outcome } = await catalog.hashed(again ? named(reference, again) : reference, exchange)
      await promises.give(exchange, reference, id)
      answerJson(exchange, printImage(facts, id, size), outcome)
    },

    /** @throws Fault */
    async file(exchange: Exchange, asked: LibraryAsked): Promise<void> {
      exchange.route = 'image'
      const reference = referenceOf(asked)
      const promised = await promises.given(exchange, reference)
      const meant = promised ? named(reference, promised) : reference
      if (wantsMetalink(exchange)) return metalinks.ofFile(exchange, meant)
      if (await sendToParts(exchange, meant, reference)) return
      return artifact(exchange, meant, fields(exchange, asked.upstream))
    },
  }

  /**
   * What is held, and takes more than one part, is fetched in parts from where nothing else can be answered. Never 302: of
   * those, some clients make an error.
   */
  async function sendToParts(exchange: Exchange, reference: ImageReference, asked: ImageReference): Promise<boolean> {
    const { headers } = exchange.incoming
    const own = ownUrl(headers.host)
    if (own === undefined || exchange.isHead || headers.range !== undefined) return false
    // Who had to log in takes its token only to where it is now.
    if ((exchange.principal.kind !== 'anonymous' || exchange.credentials) && new URL(own).host !== headers.host) return false
    const { facts, outcome } = await catalog.told(reference, exchange)
    const held = await catalog.held(facts)
    if (!held || held.size <= onePart) return false
    await promises.sent(exchange, asked)
    exchange.outcome = outcome.kind
    const place = ['Location', `${own}/blobs/sha256/${hexOf(held.id)}?part=1`, 'Content-Length', '0']
    exchange.outgoing.writeHead(303, [...place, 'Cache-Control', 'no-cache', ...outcomeFields(outcome)])
    exchange.outgoing.end()
    return true
  }
}

/** Where no architecture is said, or the usual one, is one name. */
function referenceOf({ upstream, path, query }: LibraryAsked): ImageReference {
  const arch = parseLibraryArch(query)
  return { kind: 'image', upstream, ...parseLibraryPath(path), arch: arch === usualArch ? undefined : arch }
}

function named(reference: ImageReference, id: BlobId): ImageReference {
  return digestInPointer(reference.pointer) ? reference : { ...reference, pointer: printHash(id) }
}

/** Another one of us, which has no use for our hash: it would wait for the whole image twice. @see RFC 7240 §4.3 */
function mayNotWait({ incoming }: Exchange): boolean {
  return incoming.headers.prefer === 'wait=0'
}

function printUnhashed({ about, claimed }: NameFacts): string {
  return JSON.stringify({ data: { ...about, ...(claimed && { hash: claimed.replace(':', '.') }) } })
}

/** There is a size only where the bytes were counted. */
function printImage({ about }: NameFacts, id: BlobId, size: number | undefined): string {
  const image = { ...readLibraryImage(about), digest: id, uploaded: true }
  return size === undefined ? JSON.stringify({ data: listLibraryImage(image) }) : printLibraryImage({ ...image, size })
}
