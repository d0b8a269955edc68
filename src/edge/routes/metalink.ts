import { createHash } from 'node:crypto'
import type { Keeping, Linking } from '../../catalog/catalog.ts'
import { metalink4Type } from '../../formats/metalink-document.ts'
import { Fault } from '../../model/fault.ts'
import { type BlobReference, type ManifestReference, parsePointer, printReference } from '../../model/reference.ts'
import { createMemoryCache } from '../../system/memory-cache.ts'
import { evaluate } from '../conditions.ts'
import type { Exchange } from '../exchange.ts'
import type { OwnUrl } from '../own-url.ts'
import type { RequestTarget } from '../target.ts'
import type { Place } from '../upstream-choice.ts'

export interface MetalinkRoutesDeps {
  readonly catalog: Pick<Linking, 'meaning' | 'linksVersion'> & Pick<Keeping, 'metalink'>
  readonly ownUrl: OwnUrl
  /** An upstream and repository of the settings. @throws Fault 'upstream-unknown', 'name-invalid' */
  readonly placeNamed: (name: string) => Place
}

interface Rendered {
  readonly name: string
  readonly body: Buffer
  readonly etag: string
}

const bytesKept = 64 * 1024 * 1024
const suffix = '.meta4'
const platformShape = /^(?:all|[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?)$/

/** Metalinks of blobs and images, as HTTP has them. @see RFC 5854 */
export function createMetalinkRoutes({ catalog, ownUrl, placeNamed }: MetalinkRoutesDeps) {
  const rendered = createMemoryCache<string, Rendered>({ maxBytes: bytesKept, sizeOf: ({ body }) => body.length + 512 })

  /** A document is printed once for each state of what it tells. */
  async function answer(
    exchange: Exchange,
    what: BlobReference | ManifestReference,
    about: string,
    platform: string | undefined,
  ) {
    const own = ownUrl(exchange.incoming.headers.host)
    const version = catalog.linksVersion
    const key = `${own} ${printReference(what)} ${about} ${version}`
    let one = rendered.get(key)
    if (!one) {
      const { name, text } = await catalog.metalink(what, { ...(own && { own }), ...(platform && { platform }) }, exchange)
      const body = Buffer.from(text)
      one = { name, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 32)}"` }
      // Something became known meanwhile, by these very questions or otherwise: it may or may not be in it.
      if (catalog.linksVersion === version) rendered.set(key, one)
    }
    return one
  }

  return {
    async ofBlob(exchange: Exchange, reference: BlobReference): Promise<void> {
      exchange.route = 'metalink'
      send(exchange, await answer(exchange, reference, '', undefined), 'public, max-age=60')
    },

    /** `/metalink/<upstream>/<repository>:<tag>.meta4` or `…@<digest>.meta4`, and `?platform=`. @throws Fault */
    async ofImage(exchange: Exchange, target: RequestTarget): Promise<void> {
      exchange.route = 'metalink'
      const reference = imageReference(restOf(target.path))
      const platform = new URLSearchParams(target.query).get('platform') ?? undefined
      if (platform !== undefined && !platformShape.test(platform)) throw badPlatform(platform)
      exchange.upstream = reference.upstream
      // What a tag means is asked each time; what follows from it is not.
      const digest = await catalog.meaning(reference, exchange)
      send(exchange, await answer(exchange, reference, `${digest} ${platform ?? ''}`, platform), 'no-cache')
    },
  }

  function imageReference(rest: string): ManifestReference {
    const at = rest.indexOf('@')
    const colon = rest.lastIndexOf(':')
    const split = at > 0 ? at : colon > rest.lastIndexOf('/') ? colon : -1
    if (split < 0) throw badPath(rest)
    const { upstream, repository } = placeNamed(rest.slice(0, split))
    return { kind: 'manifest', upstream, repository, pointer: parsePointer(rest.slice(split + 1)) }
  }
}

/** What stands between the prefix and the suffix, decoded once. No grammar of ours admits a percent sign. */
function restOf(path: string): string {
  const text = path.slice('/metalink/'.length)
  if (!text.endsWith(suffix)) throw badPath(text)
  const rest = text.slice(0, -suffix.length)
  try {
    return /%2f/i.test(rest) ? rest : decodeURIComponent(rest)
  } catch {
    return rest
  }
}

function badPath(rest: string): Fault {
  const why = 'expected /metalink/UPSTREAM/REPOSITORY:TAG.meta4 or …@sha256:HEX.meta4'
  return new Fault('request-invalid', { what: `/metalink/${rest.slice(0, 100)}`, why })
}

function badPlatform(text: string): Fault {
  return new Fault('request-invalid', {
    what: `platform=${text.slice(0, 40)}`,
    why: 'expected os/architecture[/variant], or all',
  })
}

function send({ incoming, outgoing, isHead }: Exchange, { name, body, etag }: Rendered, cacheControl: string): void {
  const verdict = evaluate(incoming.headers, etag)
  if (verdict === 'failed') throw new Fault('precondition-failed', { what: 'If-Match', why: 'the document is another one now' })
  const fields = ['ETag', etag, 'Cache-Control', cacheControl, 'Vary', 'Accept, Host', 'X-Content-Type-Options', 'nosniff']
  if (verdict === 'not-modified') {
    outgoing.writeHead(304, fields)
    outgoing.end()
    return
  }
  const disposition = `attachment; filename="${name}${suffix}"`
  const own = ['Content-Type', metalink4Type, 'Content-Length', String(body.length), 'Content-Disposition', disposition]
  outgoing.writeHead(200, [...own, ...fields])
  outgoing.end(isHead ? undefined : body)
}
