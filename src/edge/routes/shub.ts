import type { Pulls } from '../../catalog/catalog.ts'
import { printHash } from '../../formats/image-hash.ts'
import { printShubManifest, readShubAbout } from '../../formats/shub.ts'
import { shubCommit } from '../../formats/shub-commit.ts'
import { printShubFindings } from '../../formats/shub-findings.ts'
import { parseShubPath } from '../../formats/shub-path.ts'
import { parseShubQuery } from '../../formats/shub-query.ts'
import type { Artifact } from '../../model/artifact.ts'
import { asBlobId, hexOf } from '../../model/digest.ts'
import { Fault, isFault } from '../../model/fault.ts'
import { type ImageReference, printReference, type UpstreamId } from '../../model/reference.ts'
import { answerJson } from '../answer-json.ts'
import type { AnswerArtifact } from '../artifact.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { NamedChoice } from '../named-choice.ts'
import { demandOwn } from '../own-url.ts'
import type { RequestTarget } from '../target.ts'

export interface ShubRoutesDeps {
  readonly catalog: Pick<Pulls, 'told' | 'held' | 'searchShub' | 'spelling'>
  readonly choose: NamedChoice
  readonly artifact: AnswerArtifact
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
}

type Told = Awaited<ReturnType<Pulls['told']>>

const shape = /^\/(?:shub\/([^/]*)\/)?(api|image)\/+(.*)$/s
const container = /^container\/+(?!search\/)(.*)$/s

/**
 * The API of Singularity Hub, below `/api` and `/shub/<upstream>/api`, and the images that its manifests name. Clients read
 * a manifest and then take whatever its image gives: they compare no hash, and keep it under the manifest's commit.
 */
export function createShubRoutes({ catalog, choose, artifact, fields }: ShubRoutesDeps) {
  return async (exchange: Exchange, { path, query }: RequestTarget): Promise<void> => {
    exchange.protocol = 'shub'
    exchange.route = 'document'
    if (exchange.incoming.method !== 'GET' && !exchange.isHead)
      throw new Fault('unsupported', { what: `${exchange.incoming.method} ${path.slice(0, 100)}` })
    const [, name, door, rest = ''] = shape.exec(path) ?? []
    const upstream = choose('shub', name)
    exchange.upstream = upstream
    if (door === 'image') return image(exchange, { kind: 'image', upstream, arch: undefined, ...parseShubPath(rest) }, query)
    const [, named] = (door && container.exec(rest)) || []
    if (named !== undefined) return manifest(exchange, { kind: 'image', upstream, arch: undefined, ...parseShubPath(named) })
    const asked = door === undefined ? undefined : parseShubQuery(rest)
    if (!asked) throw new Fault('not-found', { what: path.slice(0, 200) })
    const { findings, outcome } = await catalog.searchShub(upstream, asked, exchange)
    answerJson(exchange, printShubFindings(findings), outcome)
  }

  async function manifest(exchange: Exchange, asked: ImageReference): Promise<void> {
    const { own } = fields(exchange, asked.upstream)
    const { facts, outcome } = await toldOf(asked, exchange)
    const reference = facts.reference as ImageReference
    const held = await catalog.held(facts)
    const sha256 = facts.id ?? (facts.claimed && asBlobId(facts.claimed))
    const commit = shubCommit(facts)
    const [collection = '', name = ''] = reference.name.split('/')
    const [tag = ''] = reference.pointer.split('@')
    const about = readShubAbout(facts.about)
    const place = held
      ? `/blobs/sha256/${hexOf(held.id)}`
      : `/shub/${reference.upstream}/image/${reference.name}:${reference.pointer}?commit=${commit}`
    const version = sha256 ? printHash(sha256) : (about.version ?? commit)
    const text = printShubManifest({ ...about, image: demandOwn(own) + place, commit, collection, name, tag, version })
    answerJson(exchange, text, outcome)
  }

  /** sregistry's own client writes every name in lower case: what is held under another spelling may be meant. */
  async function toldOf(reference: ImageReference, exchange: Exchange): Promise<Told> {
    try {
      return await catalog.told(reference, exchange)
    } catch (error) {
      const other = isFault(error, 'not-found') ? await catalog.spelling(reference) : undefined
      if (!other) throw error
      return catalog.told(other, exchange).catch((refusal) => {
        // That there is such a name is not told to who may not read it.
        throw isFault(refusal, 'denied', 'unauthenticated') ? error : refusal
      })
    }
  }

  async function image(exchange: Exchange, reference: ImageReference, query: string): Promise<void> {
    exchange.route = 'image'
    const commit = new URLSearchParams(query).get('commit')
    const accept = ({ version = '' }: Artifact) => {
      if (commit !== null && shubCommit({ reference, version }) !== commit)
        throw new Fault('not-found', { what: `${printReference(reference)}, as it was when its manifest was asked for,` })
    }
    await artifact(exchange, reference, fields(exchange, reference.upstream), { accept, isMeasured: true })
  }
}
