import type { Artifact } from '../model/artifact.ts'
import { memorySource } from '../model/byte-source.ts'
import { type BlobId, type Digest, isStrong } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import { kindOf } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import { type ManifestReference, printReference } from '../model/reference.ts'
import type { AtOnce, BlobStore } from '../store/blob-store.ts'
import type { MemoryCache } from '../system/memory-cache.ts'
import type { createSingleFlight } from '../system/single-flight.ts'
import type { Opened, Outcome, Resolved } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import type { Documents } from './documents.ts'
import { isTagReference, type Knowledge } from './knowledge.ts'
import { mending } from './mending.ts'
import type { ResolveTagDeps, TagAnswer } from './resolve-tag.ts'

export interface ManifestsDeps extends ResolveTagDeps {
  readonly store: Pick<BlobStore, 'stat' | 'open'> & AtOnce
  readonly knowledge: Knowledge
  readonly documents: Documents
  readonly resolveTag: (reference: Parameters<Knowledge['tag']>[0], ask: Ask) => Promise<TagAnswer>
  readonly signatures: Pick<Signatures, 'isRequired'>
  readonly flights: ReturnType<typeof createSingleFlight<string, { artifact: Artifact; document: Uint8Array }>>
  /** Manifests by digest that were answered from the store: asking again needs no record. */
  readonly hot: MemoryCache<string, HeldManifest>
}

export interface HeldManifest {
  readonly artifact: Artifact
  readonly id: BlobId
}

const hit: Outcome = { kind: 'hit' }

/** Manifests by tag and by digest. */
export interface Manifests {
  /** By digest, and answered from the store before: no record is read, nothing is waited for. */
  openAtOnce(reference: ManifestReference): Opened | undefined
  resolve(reference: ManifestReference, ask: Ask): Promise<Resolved>
  open(reference: ManifestReference, ask: Ask): Promise<Opened>
}

export function createManifests(deps: ManifestsDeps): Manifests {
  const keys = new WeakMap<ManifestReference, string>() // whoever asks for hits keeps its references
  const { store, knowledge, hot } = deps

  async function resolve(reference: ManifestReference, ask: Ask): Promise<TagAnswer> {
    if (isTagReference(reference)) return deps.resolveTag(reference, ask)
    const held = await findHeld(reference)
    return held ? { artifact: held.artifact, outcome: hit } : fetch(reference, ask)
  }

  async function open(reference: ManifestReference, ask: Ask): Promise<Opened> {
    const answer = await resolve(reference, ask)
    if (answer.document) return inHand(answer, answer.document)
    const digest = answer.artifact.digests[0] as Digest
    const bytes = await openHeld(digest)
    // The name was known, the bytes are gone or cannot be read: ask for them by digest, which cannot have changed.
    const fetchAgain = () => fetch({ ...reference, pointer: digest }, ask)
    if (bytes?.from === 'disk') {
      const instead = async () => memorySource((await fetchAgain()).document!)
      return { artifact: answer.artifact, outcome: answer.outcome, from: 'disk', bytes: mending(bytes.bytes, instead) }
    }
    if (bytes) return { artifact: answer.artifact, outcome: answer.outcome, ...bytes }
    const again = await fetchAgain()
    return inHand({ ...again, artifact: answer.artifact }, again.document!)
  }

  function keyOf(reference: ManifestReference): string {
    const known = keys.get(reference)
    if (known !== undefined) return known
    const key = printReference(reference)
    keys.set(reference, key)
    return key
  }

  function openAtOnce(reference: ManifestReference): Opened | undefined {
    const known = hot.get(keyOf(reference))
    const bytes = known && store.openAtOnce(known.id)
    return bytes && { artifact: known.artifact, outcome: hit, from: 'memory', bytes }
  }

  async function openHeld(digest: Digest): Promise<Pick<Opened, 'from' | 'bytes'> | undefined> {
    const id = await knowledge.idOf(digest)
    const bytes = id && (await store.open(id))
    return bytes && { from: 'bytes' in bytes ? 'memory' : 'disk', bytes }
  }

  /** Held here, and this repository is known to have it. */
  async function findHeld(reference: ManifestReference): Promise<HeldManifest | undefined> {
    const digest = reference.pointer as Digest
    const [id, member] = await Promise.all([knowledge.idOf(digest), knowledge.member(reference, digest)])
    const stored = id && (await store.stat(id))
    if (!stored) return undefined
    const facts = await knowledge.blob(id)
    const isOurs = member ?? (facts?.isPublic && isStrong(digest) && deps.upstreams(reference.upstream).isPublic)
    const mediaType = facts?.mediaType ?? member?.mediaType
    if (!isOurs || mediaType === undefined) return undefined
    // What is asked of blobs is not asked of documents: by this name none may be had.
    if (kindOf(mediaType) === 'blob' && deps.signatures.isRequired(reference.upstream)) return undefined
    if (member) await deps.documents.adopt(reference, id)
    const held: HeldManifest = {
      id,
      artifact: {
        reference,
        mediaType,
        size: stored.size,
        digests: [digest],
        checkedAt: 0,
        freshUntil: Number.POSITIVE_INFINITY,
      },
    }
    hot.set(printReference(reference), held)
    return held
  }

  async function fetch(reference: ManifestReference, ask: Ask): Promise<TagAnswer> {
    const key = printReference(reference)
    const trouble = ask.revalidate ? undefined : deps.recent.get(key)
    if (trouble) throw trouble
    const { isOffline, rights } = deps.policyOf(reference.upstream)
    if (isOffline) throw new Fault('not-found', { what: key, asked: [] })
    const ownKey = deps.identities.keyOf(key, reference.upstream, rights, ask.credentials)
    const { value, joined } = await deps.flights.run(ownKey, ask.signal, (signal) =>
      fetchAlone(key, reference, { ...ask, signal }),
    )
    return { ...value, outcome: { kind: joined ? 'collapsed' : 'miss' } }
  }

  async function fetchAlone(key: string, reference: ManifestReference, ask: Ask) {
    const upstream = deps.upstreams(reference.upstream)
    try {
      const answer = await upstream.resolve(reference, ask)
      if (answer.outcome !== 'found' || !answer.document) throw new Fault('not-found', { what: key, asked: [reference.upstream] })
      await deps.documents.keep(reference, answer.artifact, answer.document, upstream.isPublic)
      return { artifact: answer.artifact, document: answer.document }
    } catch (error) {
      const isForAll = deps.policyOf(reference.upstream).rights !== 'caller'
      if (isForAll && isFault(error, 'not-found')) deps.recent.set(key, error)
      throw error
    }
  }

  return { openAtOnce, resolve, open }
}

function inHand(answer: TagAnswer, document: Uint8Array): Opened {
  return { artifact: answer.artifact, outcome: answer.outcome, from: 'memory', bytes: memorySource(document) }
}
