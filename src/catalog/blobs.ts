import type { Mirrors } from '../mirrors/mirrors.ts'
import type { Source } from '../model/artifact.ts'
import { asBlobId, type Digest } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, printReference, type UpstreamId } from '../model/reference.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Fill, Transfer } from '../transfer/transfer.ts'
import type { Policy } from './answers.ts'
import type { Opened, Resolved } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import { type Knowledge, printPlace } from './knowledge.ts'
import { mending } from './mending.ts'
import { type MayLearn, sourcesNamed, withPlacesNamed } from './named-places.ts'
import type { Notes } from './notes.ts'
import type { Origins } from './origins.ts'
import { artifactOf, type Membership, type Rights, type Vouched } from './rights.ts'

export interface BlobsDeps {
  readonly store: Pick<BlobStore, 'stat' | 'open'>
  readonly transfer: Transfer
  readonly rights: Rights
  readonly knowledge: Knowledge
  readonly origins: Pick<Origins, 'isPublic'>
  readonly notes: Pick<Notes, 'take' | 'noted'>
  readonly mirrors: Pick<Mirrors, 'rank' | 'prove' | 'has'>
  /** May a place be asked that somebody else named? */
  readonly mayLearn: MayLearn
  readonly policyOf: (id: UpstreamId) => Policy
  readonly signatures: Pick<Signatures, 'isRequired' | 'demand' | 'demandHeld' | 'told'>
}

/** Blobs by digest: from the store, or by a fill. */
export interface Blobs {
  resolve(reference: BlobReference, ask: Ask): Promise<Resolved>
  /** @param vouched as of `Rights.membership` */
  open(reference: BlobReference, ask: Ask, vouched?: Vouched): Promise<Opened>
}

export function createBlobs(deps: BlobsDeps): Blobs {
  const { store, transfer, rights, knowledge, origins, notes, mirrors, mayLearn, policyOf, signatures } = deps
  const learning = new Map<Digest, Promise<void>>() // settles when what a fill brought is known by the digest it was asked by

  async function knownAs(digest: Digest): Promise<StoredBlob | undefined> {
    const id = await knowledge.idOf(digest)
    return id && (await store.stat(id))
  }

  /** What came by another digest than its sha256 is known by that a moment after its fill is over. */
  async function heldAs({ digest }: BlobReference): Promise<StoredBlob | undefined> {
    const held = await knownAs(digest)
    if (held || asBlobId(digest) || transfer.running(digest)) return held
    await learning.get(digest)
    return knownAs(digest)
  }

  function take(digest: Digest, fill: Fill, facts: Parameters<Notes['take']>[2]): void {
    const known = Promise.withResolvers<void>()
    notes.take(digest, fill, facts, async () => known.resolve())
    const learnt = Promise.race([known.promise, notes.noted(digest)]).finally(() => {
      if (learning.get(digest) === learnt) learning.delete(digest)
    })
    learning.set(digest, learnt)
  }

  /** A HEAD starts no fill: the size comes from a manifest, or from the upstream's own answer to a HEAD. */
  async function resolve(reference: BlobReference, ask: Ask): Promise<Resolved> {
    const held = await heldAs(reference)
    if (!held) demandAllowed(reference, ask)
    const member = await rights.membership(reference, held?.id, ask)
    if (!held) demandOnline(reference)
    await demandSigned(reference, member, held, ask)
    const artifact = artifactOf(reference, held?.size ?? member.size, octetStream)
    proveBehind(reference, artifact.size, ask)
    return { artifact, outcome: { kind: held ? 'hit' : 'miss' }, ...(await signedAs(held)) }
  }

  async function open(reference: BlobReference, ask: Ask, vouched?: Vouched): Promise<Opened> {
    const held = await heldAs(reference)
    if (!held) demandAllowed(reference, ask)
    const member = await rights.membership(reference, held?.id, ask, vouched)
    if (held) await demandSigned(reference, member, held, ask)
    const signed = await signedAs(held)
    const bytes = held && (await store.open(held.id))
    if (!bytes) return openFill(reference, member, ask)
    const artifact = artifactOf(reference, bytes.size, octetStream)
    proveBehind(reference, artifact.size, ask)
    if ('bytes' in bytes) return { artifact, outcome: { kind: 'hit' }, from: 'memory', bytes, ...signed }
    const instead = async () => (await openFill(reference, member, ask, bytes.size)).bytes
    return { artifact, outcome: { kind: 'hit' }, from: 'disk', bytes: mending(bytes, instead), ...signed }
  }

  async function signedAs(held: StoredBlob | undefined): Promise<Pick<Resolved, 'signedAs'>> {
    return held && (await signatures.told(held.id)) ? { signedAs: held.id } : {}
  }

  /** @throws Fault 'signature-…' where what is this upstream's has to be signed, and this is not */
  async function demandSigned(
    reference: BlobReference,
    member: Membership,
    held: StoredBlob | undefined,
    ask: Ask,
  ): Promise<void> {
    if (!signatures.isRequired(reference.upstream)) return
    const artifact = artifactOf(reference, held?.size ?? member.size, octetStream)
    const { isOffline } = policyOf(reference.upstream)
    const wanted = { artifact, sources: () => (isOffline ? [] : sourcesOf(reference, member)) }
    await (held ? signatures.demandHeld(wanted, held, ask) : signatures.demand(wanted, ask))
  }

  function sourcesOf(reference: BlobReference, member: Membership): readonly Source[] {
    const named = sourcesNamed(member.urls, reference.upstream, mayLearn)
    return mirrors.rank(reference, [...member.sources, ...named])
  }

  /**
   * Also a fill under way is nothing held: two of us that wait for each other's would wait for ever.
   *
   * @throws Fault 'not-held'
   */
  function demandAllowed({ digest }: BlobReference, { onlyIfHeld }: Ask): void {
    if (onlyIfHeld) throw new Fault('not-held', { what: digest })
  }

  /** An upstream set to be offline is never asked, also not for what a manifest held here names. @throws Fault 'not-found' */
  function demandOnline(reference: BlobReference): void {
    if (policyOf(reference.upstream).isOffline) throw new Fault('not-found', { what: printReference(reference), asked: [] })
  }

  /** `told`: how many bytes the asker was told there are. */
  async function openFill(reference: BlobReference, member: Membership, ask: Ask, told?: number): Promise<Opened> {
    demandAllowed(reference, ask)
    demandOnline(reference)
    await demandSigned(reference, member, undefined, ask)
    const mayHaveCome = told === undefined && !asBlobId(reference.digest) && !transfer.running(reference.digest)
    if (mayHaveCome && (await heldAs(reference))) return open(reference, ask)
    const running = transfer.running(reference.digest)
    const joined = running !== undefined
    if (joined && signatures.isRequired(reference.upstream) && running.artifact.reference.upstream !== reference.upstream)
      return openAfter(running, reference, ask) // nobody checks it for this upstream
    // A manifest's word binds whoever gives the bytes; an answer to a HEAD was only that upstream's word at the time, but
    // worth more than a mirror's.
    const isBinding = member.mediaType !== undefined || mirrors.has(reference.upstream)
    const size = told ?? (isBinding ? member.size : undefined)
    const sources = sourcesOf(reference, member)
    if (sources.length === 0) throw new Fault('not-found', { what: printReference(reference), asked: ['this store'] })
    const fill = transfer.fill(artifactOf(reference, size, octetStream), sources)
    const bytes = fill.follow()
    if (!joined) {
      const { mediaType } = member
      const facts = { mediaType, repositories: [printPlace(reference)], isPublic: origins.isPublic(reference.upstream) }
      take(reference.digest, fill, facts)
    }
    try {
      const opened = await untilGone(fill.opened, ask.signal)
      return {
        artifact: artifactOf(reference, opened.size, octetStream),
        outcome: { kind: joined ? 'collapsed' : 'miss' },
        from: 'fill',
        bytes,
        stored: fill.stored,
      }
    } catch (error) {
      await bytes[Symbol.asyncDispose]()
      if (joined && isRefusalOfAnother(error, reference)) return openAfter(fill, reference, ask)
      throw withPlacesNamed(error, reference.digest, member.urls, mayLearn)
    }
  }

  /**
   * What one upstream requires of these bytes is nothing to another that has them too; and who began the fill may have lost a
   * right that this one has.
   */
  function isRefusalOfAnother(error: unknown, { upstream }: BlobReference): boolean {
    if (isFault(error, 'upstream-refused')) return policyOf(upstream).rights === 'caller'
    return isFault(error, 'signature-missing', 'signature-invalid') && error.details.upstream !== upstream
  }

  /** Once the fill is over, whatever became of it. */
  async function openAfter(fill: Fill, reference: BlobReference, ask: Ask): Promise<Opened> {
    await untilGone(
      fill.stored.catch(() => {}),
      ask.signal,
    )
    return open(reference, ask)
  }

  /** Clients are told of mirrors that were seen to have the blob; this one may be too early for it, the next is not. */
  function proveBehind(reference: BlobReference, size: number | undefined, { onlyIfHeld }: Ask): void {
    if (!onlyIfHeld && size !== undefined && mirrors.has(reference.upstream)) void mirrors.prove(reference, size)
  }

  return { resolve, open }
}
