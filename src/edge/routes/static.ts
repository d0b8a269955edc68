import type { Pulls } from '../../catalog/catalog.ts'
import { isLinkUrl } from '../../formats/metalink-urls.ts'
import { parseStaticPath, printStaticManifest, printStaticPath, printStaticTags } from '../../formats/static-registry.ts'
import { asBlobId, type Digest, digestOrUndefined, hexOf } from '../../model/digest.ts'
import type { NameFacts } from '../../model/facts.ts'
import { Fault } from '../../model/fault.ts'
import { type ImageName, type ImageReference, placeOf, type UpstreamId } from '../../model/reference.ts'
import { answerJson } from '../answer-json.ts'
import type { AnswerArtifact } from '../artifact.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { NamedChoice } from '../named-choice.ts'
import { demandOwn } from '../own-url.ts'
import type { RequestTarget } from '../target.ts'

export interface StaticRoutesDeps {
  readonly catalog: Pick<Pulls, 'told' | 'held' | 'tags'>
  readonly choose: NamedChoice
  readonly artifact: AnswerArtifact
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
}

const shape = /^\/static\/([^/]*)(?:\/(.*))?$/s

/**
 * Registries of static pages below `/static/<upstream>/`: manifests that name us first for the image, lists of tags, and at
 * `<name>/blobs/<tag>` the image itself. Scripts read the manifest and take the first of its URLs.
 */
export function createStaticRoutes({ catalog, choose, artifact, fields }: StaticRoutesDeps) {
  return async (exchange: Exchange, { path }: RequestTarget): Promise<void> => {
    exchange.protocol = 'static'
    exchange.route = 'document'
    if (exchange.incoming.method !== 'GET' && !exchange.isHead)
      throw new Fault('unsupported', { what: `${exchange.incoming.method} ${path.slice(0, 100)}` })
    const [, named = '', rest = ''] = shape.exec(path) ?? []
    const upstream = choose('static', named)
    exchange.upstream = upstream
    const asked = parseStaticPath(rest)
    if (!asked) throw new Fault('not-found', { what: path.slice(0, 200) })
    if (asked.kind === 'tags') return tags(exchange, upstream, asked.name)
    const reference: ImageReference = { kind: 'image', upstream, name: asked.name, pointer: asked.pointer, arch: undefined }
    if (asked.kind === 'manifest') return manifest(exchange, reference)
    exchange.route = 'image'
    return artifact(exchange, reference, fields(exchange, upstream), { isMeasured: true })
  }

  async function manifest(exchange: Exchange, reference: ImageReference): Promise<void> {
    const { upstream, name, pointer } = reference
    const { own } = fields(exchange, upstream)
    const { facts, outcome } = await catalog.told(reference, exchange)
    const held = await catalog.held(facts)
    const place = held
      ? `/blobs/sha256/${hexOf(held.id)}`
      : `/static/${upstream}/${printStaticPath({ kind: 'image', name, pointer })}`
    const text = printStaticManifest({
      digest: digestToldOf(facts),
      sha256: held?.id ?? (facts.claimed && asBlobId(facts.claimed)),
      size: held?.size,
      urls: [demandOwn(own) + place, ...facts.urls.filter(isOpenToAll)],
    })
    answerJson(exchange, text, outcome)
  }

  async function tags(exchange: Exchange, upstream: UpstreamId, name: ImageName): Promise<void> {
    const { repository } = placeOf({ kind: 'image', upstream, name, pointer: '', arch: undefined })
    const { tags, outcome } = await catalog.tags(upstream, repository, {}, exchange)
    answerJson(exchange, printStaticTags({ name, tags }), outcome)
  }
}

/** A query may be a signature that was meant for one. */
function isOpenToAll(url: string): boolean {
  return isLinkUrl(url) && !url.includes('?')
}

/** As its registry gave it. */
function digestToldOf({ about, claimed, reference }: NameFacts): Digest {
  const told = typeof about.digest === 'string' ? digestOrUndefined(about.digest) : claimed
  if (!told) throw new Fault('internal', { what: `no digest is kept of ${placeOf(reference).repository}` })
  return told
}
