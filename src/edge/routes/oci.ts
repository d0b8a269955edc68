import type { Pulls } from '../../catalog/catalog.ts'
import { parseDigest } from '../../model/digest.ts'
import { Fault } from '../../model/fault.ts'
import {
  type BlobReference,
  isDigest,
  type ManifestReference,
  parsePointer,
  parseTag,
  type UpstreamId,
} from '../../model/reference.ts'
import { createMemoryCache } from '../../system/memory-cache.ts'
import type { AnswerArtifact } from '../artifact.ts'
import { type FieldOptions, type Fields, outcomeFields } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { Gate } from '../gate.ts'
import { type OciPath, parseOciPath } from '../oci-path.ts'
import { isSmallInMemory, type Send } from '../send.ts'
import type { RequestTarget } from '../target.ts'
import type { Naming, Place } from '../upstream-choice.ts'
import { wantsMetalink } from './blobs.ts'
import type { createMetalinkRoutes } from './metalink.ts'

export interface OciRoutesDeps {
  readonly catalog: Pulls
  readonly gate: Pick<Gate, 'isOpen' | 'mayPull'>
  readonly send: Send
  readonly choose: (naming: Naming) => Place
  readonly artifact: AnswerArtifact
  readonly fields: (exchange: Exchange, place: Place, isNamedByDigest: boolean) => FieldOptions
  readonly metalinks: Pick<ReturnType<typeof createMetalinkRoutes>, 'ofBlob'>
}

interface Understood {
  readonly host: string
  readonly reference: ManifestReference
  readonly fields: FieldOptions
}

interface Page {
  readonly n?: number
  readonly last?: string
}

const maxPage = 10_000
const targetsKept = 10_000
// A request with one of these is not answered at once.
const needingCare = [
  'range',
  'if-none-match',
  'if-match',
  'cache-control',
  'pragma',
  'if-range',
  'want-digest',
  'want-repr-digest',
] as const
const apiVersion = ['Docker-Distribution-API-Version', 'registry/2.0']

/** Being an OCI registry to those who pull. @see OCI distribution-spec, "Endpoints" */
export function createOciRoutes({ catalog, gate, send, choose, artifact, fields, metalinks }: OciRoutesDeps) {
  const understood = createMemoryCache<string, Understood>({ maxEntries: targetsKept })

  /**
   * A GET whose target was understood before and whose bytes are in memory: answered in the turn that brought it.
   * Anything else is left alone, and false.
   */
  function answerAtOnce(exchange: Exchange): boolean {
    const { url = '', method, headers } = exchange.incoming
    const known = method === 'GET' ? understood.get(url) : undefined
    if (!known || known.host !== headers.host || needingCare.some((name) => headers[name] !== undefined)) return false
    if (!gate.isOpen && !gate.mayPull(exchange.principal, known.reference)) return false
    const opened = catalog.openAtOnce(known.reference)
    if (!opened || !isSmallInMemory(opened)) return false
    exchange.route = 'manifest'
    exchange.upstream = known.reference.upstream
    send.whole(exchange, opened, known.fields)
    return true
  }

  /** @throws Fault, only while no header was sent */
  async function answer(exchange: Exchange, target: RequestTarget): Promise<void> {
    const asked = parseOciPath(target.path)
    if (exchange.incoming.method !== 'GET' && !exchange.isHead)
      throw new Fault('unsupported', { what: `${exchange.incoming.method} ${target.path.slice(0, 100)}` })
    switch (asked.kind) {
      case 'ping':
        exchange.route = 'ping'
        return sendJson(exchange, {}, [])
      case 'catalog':
        exchange.route = 'catalog'
        return repositories(exchange, pageOf(new URLSearchParams(target.query)))
      case 'other':
        throw new Fault('not-found', { what: target.path.slice(0, 200) })
      default:
        return ofRepository(exchange, target, asked)
    }
  }

  function ofRepository(exchange: Exchange, target: RequestTarget, asked: Extract<OciPath, { name: string }>): Promise<void> {
    exchange.route = routes[asked.kind]
    const query = new URLSearchParams(target.query)
    const place = choose({ name: asked.name, namespaces: query.getAll('ns'), host: target.host })
    exchange.upstream = place.upstream
    switch (asked.kind) {
      case 'tags':
        return tags(exchange, place, asked.name, pageOf(query))
      case 'referrers':
        return referrers(exchange, place, asked.pointer, query.get('artifactType') ?? undefined)
      case 'manifests':
        return manifest(exchange, place, parsePointer(asked.pointer))
      case 'blobs':
        return blob(exchange, place, { kind: 'blob', ...at(place), digest: parseDigest(asked.pointer) })
    }
  }

  function manifest(exchange: Exchange, place: Place, pointer: ReturnType<typeof parsePointer>): Promise<void> {
    const reference: ManifestReference = { kind: 'manifest', ...at(place), pointer }
    const options = fields(exchange, place, isDigest(pointer))
    const { url = '', headers } = exchange.incoming
    if (isDigest(pointer) && url.startsWith('/')) understood.set(url, { host: headers.host ?? '', reference, fields: options })
    return artifact(exchange, reference, options)
  }

  function blob(exchange: Exchange, place: Place, reference: BlobReference): Promise<void> {
    return wantsMetalink(exchange)
      ? metalinks.ofBlob(exchange, reference)
      : artifact(exchange, reference, fields(exchange, place, true))
  }

  async function tags(exchange: Exchange, place: Place, name: string, page: Page): Promise<void> {
    const listing = await catalog.tags(place.upstream, place.repository, page, exchange)
    exchange.outcome = listing.outcome.kind
    const next = listing.next && nextLink(`/v2/${name}/tags/list`, listing.next, place.namespace)
    const own = [...outcomeFields(listing.outcome), ...(next ? ['Link', next] : []), ...namespaceField(place)]
    sendJson(exchange, { name, tags: listing.tags }, own)
  }

  async function referrers(exchange: Exchange, place: Place, pointer: string, filter: string | undefined): Promise<void> {
    const { upstream, repository } = place
    const listing = await catalog.referrers(upstream, repository, parseDigest(pointer), filter, exchange)
    exchange.outcome = listing.outcome.kind
    const own = [...outcomeFields(listing.outcome), ...namespaceField(place)]
    if (listing.isFiltered) own.push('OCI-Filters-Applied', 'artifactType')
    sendDocument(exchange, listing.document, listing.mediaType, own)
  }

  async function repositories(exchange: Exchange, page: Page): Promise<void> {
    const { names, more } = await readable(exchange, page)
    const next = more && nextLink('/v2/_catalog', { n: page.n, last: names.at(-1)! }, undefined)
    sendJson(exchange, { repositories: names }, next ? ['Link', next] : [])
  }

  /** Of a page whose names are all others' the next is looked at. */
  async function readable({ principal }: Pick<Exchange, 'principal'>, page: Page): ReturnType<Pulls['repositories']> {
    const listed = await catalog.repositories(page)
    if (gate.isOpen) return listed
    const names = listed.names.filter((name) => gate.mayPull(principal, placeIn(name)))
    if (names.length > 0 || !listed.more || listed.names.length === 0) return { names, more: listed.more && names.length > 0 }
    return readable({ principal }, { ...page, last: listed.names.at(-1)! })
  }

  return { answer, answerAtOnce }
}

/** A name of the list: an upstream, and what is below it. */
function placeIn(name: string) {
  const slash = name.indexOf('/')
  return { upstream: name.slice(0, slash) as UpstreamId, repository: name.slice(slash + 1) }
}

const routes = { tags: 'tags', referrers: 'referrers', manifests: 'manifest', blobs: 'blob' } as const

function at({ upstream, repository }: Place) {
  return { upstream, repository }
}

/** @throws Fault 'request-invalid', 'tag-invalid' */
function pageOf(query: URLSearchParams): Page {
  const n = query.get('n')
  const last = query.get('last')
  if (n !== null && !/^\d{1,9}$/.test(n))
    throw new Fault('request-invalid', { what: `n=${n.slice(0, 20)}`, why: 'expected a whole number' })
  return { ...(n === null ? {} : { n: Math.min(Number(n), maxPage) }), ...(last === null ? {} : { last: lastOf(last) }) }
}

/** In a list of tags a tag, in the catalog a name: both of printable letters. */
function lastOf(text: string): string {
  return /^[a-z0-9._/:-]{1,512}$/i.test(text) ? text : parseTag(text)
}

/** @see OCI distribution-spec, "Listing Tags"; RFC 8288 */
function nextLink(path: string, { n, last }: Page, namespace: string | undefined): string {
  const query = new URLSearchParams({
    ...(n === undefined ? {} : { n: String(n) }),
    ...(last === undefined ? {} : { last }),
    ...(namespace === undefined ? {} : { ns: namespace }),
  })
  return `<${path}?${query}>; rel="next"`
}

function namespaceField({ namespace }: Place): Fields {
  return namespace === undefined ? [] : ['OCI-Namespace', namespace]
}

function sendJson(exchange: Exchange, value: object, own: Fields): void {
  sendDocument(exchange, Buffer.from(JSON.stringify(value)), 'application/json', own)
}

function sendDocument({ outgoing, isHead, requestId }: Exchange, body: Uint8Array, mediaType: string, own: Fields): void {
  outgoing.writeHead(200, [
    ...apiVersion,
    'Content-Type',
    mediaType,
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-cache',
    'X-Content-Type-Options',
    'nosniff',
    'X-Request-Id',
    requestId,
    ...own,
  ])
  outgoing.end(isHead ? undefined : body)
}
