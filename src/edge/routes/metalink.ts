import type { Keeping, Linking } from '../../catalog/catalog.ts'
import { metalink4Type, pgpSignatureType } from '../../formats/metalink-document.ts'
import { printDescribedByLink } from '../../formats/metalink-headers.ts'
import { Fault } from '../../model/fault.ts'
import {
  type BlobReference,
  type ManifestReference,
  type NameReference,
  parsePointer,
  printReference,
} from '../../model/reference.ts'
import { createMemoryCache } from '../../system/memory-cache.ts'
import type { Exchange } from '../exchange.ts'
import type { Gate } from '../gate.ts'
import { badPath, endOfName, type MetalinkPart, restOf, suffixes } from '../metalink-path.ts'
import type { OwnUrl } from '../own-url.ts'
import { cachedFor, type SmallDocument, sendDocument, smallDocument } from '../small-document.ts'
import type { RequestTarget } from '../target.ts'
import type { Place } from '../upstream-choice.ts'

export interface MetalinkRoutesDeps {
  readonly catalog: Pick<Linking, 'meaning' | 'linksVersion' | 'isSigning' | 'sign'> & Pick<Keeping, 'metalink'>
  readonly gate: Pick<Gate, 'demand'>
  readonly ownUrl: OwnUrl
  /** An upstream and repository of the settings. @throws Fault 'upstream-unknown', 'name-invalid' */
  readonly placeNamed: (name: string) => Place
  /** The same where it names an image that is one file; undefined where its upstream has no such. @throws Fault */
  readonly wholeImage: (text: string) => NameReference | undefined
}

interface Rendered extends SmallDocument {
  readonly signatureUrl: string // where the signature of it is found
}

const bytesKept = 64 * 1024 * 1024
const signaturesKept = 10_000
const platformShape = /^(?:all|[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?)$/

/** Metalinks of blobs and images, as HTTP has them. @see RFC 5854 */
export function createMetalinkRoutes({ catalog, gate, ownUrl, placeNamed, wholeImage }: MetalinkRoutesDeps) {
  const rendered = createMemoryCache<string, Rendered>({ maxBytes: bytesKept, sizeOf: ({ body }) => body.length + 512 })
  const signatures = createMemoryCache<string, SmallDocument>({ maxEntries: signaturesKept }) // by ETag of the document

  /** A document is printed once for each state of what it tells. */
  async function render(
    exchange: Exchange,
    what: BlobReference | ManifestReference | NameReference,
    about: string,
    platform: string | undefined,
  ) {
    const own = ownUrl(exchange.incoming.headers.host)
    const version = catalog.linksVersion
    const key = `${own} ${printReference(what)} ${about} ${version}`
    let one = rendered.get(key)
    if (!one) {
      const options = { ...(own && { own }), ...(platform && { platform }) }
      const { name, text, url } = await catalog.metalink(what, options, exchange)
      const signatureUrl = url.replace(suffixEnd, suffixes.signature)
      one = { ...smallDocument(text, metalink4Type, name + suffixes.document), signatureUrl }
      // Something became known meanwhile, by these very questions or otherwise: it may or may not be in it.
      if (catalog.linksVersion === version) rendered.set(key, one)
    }
    return one
  }

  /** The same bytes have the same signature for as long as it is remembered, whatever became known meanwhile. */
  async function signatureOf({ body, etag, fileName }: Rendered): Promise<SmallDocument> {
    const known = signatures.get(etag)
    if (known) return known
    const signature = smallDocument(`${await catalog.sign(body)}\n`, pgpSignatureType, `${fileName}.asc`)
    signatures.set(etag, signature)
    return signature
  }

  async function answer(exchange: Exchange, document: Rendered, part: MetalinkPart, cacheControl: string): Promise<void> {
    if (part === 'signature') return sendDocument(exchange, await signatureOf(document), cacheControl)
    const link = catalog.isSigning ? ['Link', printDescribedByLink(document.signatureUrl, pgpSignatureType)] : []
    sendDocument(exchange, document, cacheControl, link)
  }

  return {
    async ofBlob(exchange: Exchange, reference: BlobReference, part: MetalinkPart = 'document'): Promise<void> {
      exchange.route = 'metalink'
      await gate.demand(exchange, reference) // it may have been printed for another
      return answer(exchange, await render(exchange, reference, '', undefined), part, cachedFor(exchange, 60))
    },

    /** A plain file's, or that of an image which is one file. */
    async ofFile(exchange: Exchange, reference: NameReference, part: MetalinkPart = 'document'): Promise<void> {
      exchange.route = 'metalink'
      const digest = await catalog.meaning(reference, exchange)
      return answer(exchange, await render(exchange, reference, digest, undefined), part, 'no-cache')
    },

    /** `/metalink/<upstream>/<repository>:<tag>.meta4` or `…@<digest>.meta4`, `.asc` after it, and `?platform=`. @throws Fault */
    async ofImage(exchange: Exchange, target: RequestTarget): Promise<void> {
      exchange.route = 'metalink'
      const { rest, part } = restOf(target.path)
      const image = wholeImage(rest)
      if (image) return this.ofFile(exchange, image, part)
      const reference = imageReference(rest)
      const platform = new URLSearchParams(target.query).get('platform') ?? undefined
      if (platform !== undefined && !platformShape.test(platform)) throw badPlatform(platform)
      exchange.upstream = reference.upstream
      // What a tag means is asked each time; what follows from it is not.
      const digest = await catalog.meaning(reference, exchange)
      return answer(exchange, await render(exchange, reference, `${digest} ${platform ?? ''}`, platform), part, 'no-cache')
    },
  }

  function imageReference(rest: string): ManifestReference {
    const split = endOfName(rest)
    if (split < 0) throw badPath(rest)
    const { upstream, repository } = placeNamed(rest.slice(0, split))
    return { kind: 'manifest', upstream, repository, pointer: parsePointer(rest.slice(split + 1)) }
  }
}

const suffixEnd = /\.meta4(?=\?|$)/

function badPlatform(text: string): Fault {
  return new Fault('request-invalid', {
    what: `platform=${text.slice(0, 40)}`,
    why: 'expected os/architecture[/variant], or all',
  })
}
