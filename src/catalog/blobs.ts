import type { Mirrors } from '../mirrors/mirrors.ts'
import type { BlobId, Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { octetStream } from '../model/media-type.ts'
import { asPieces, pieceLengthFor } from '../model/pieces.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, printReference, type UpstreamId } from '../model/reference.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Fill, Transfer } from '../transfer/transfer.ts'
import type { Upstreams } from '../upstream/upstream.ts'
import type { Opened, Resolved } from './catalog.ts'
import { type Knowledge, printPlace } from './knowledge.ts'
import type { Policy } from './resolve-tag.ts'
import { artifactOf, type Membership, type Rights } from './rights.ts'

export interface BlobsDeps {
  readonly store: Pick<BlobStore, 'stat' | 'open'>
  readonly transfer: Transfer
  readonly rights: Rights
  readonly knowledge: Knowledge
  readonly upstreams: Upstreams
  readonly mirrors: Pick<Mirrors, 'rank' | 'prove' | 'has'>
  readonly policyOf: (id: UpstreamId) => Policy
  readonly hasher: Pick<Hasher, 'start'>
  readonly log: Logger
}

/** Blobs by digest: from the store, or by a fill. */
export interface Blobs {
  resolve(reference: BlobReference, ask: Ask): Promise<Resolved>
  open(reference: BlobReference, ask: Ask): Promise<Opened>
  /** Settles once a blob that was fetched is stored, or not, and what is known of it is written down. */
  noted(digest: Digest): Promise<void>
  /** The same for all of them. */
  settled(): Promise<void>
}

export function createBlobs(deps: BlobsDeps): Blobs {
  const { store, transfer, rights, knowledge, upstreams, mirrors, policyOf, hasher, log } = deps
  const notes = new Map<Digest, Promise<void>>()

  async function heldAs(reference: BlobReference): Promise<{ id: BlobId; size: number } | undefined> {
    const id = await knowledge.idOf(reference.digest)
    return id && (await store.stat(id))
  }

  /** A HEAD starts no fill: the size comes from a manifest, or from the upstream's own answer to a HEAD. */
  async function resolve(reference: BlobReference, ask: Ask): Promise<Resolved> {
    const held = await heldAs(reference)
    if (!held) demandAllowed(reference, ask)
    const member = await rights.membership(reference, held?.id, ask)
    if (!held) demandOnline(reference)
    const artifact = artifactOf(reference, held?.size ?? member.size, octetStream)
    proveBehind(reference, artifact.size, ask)
    return { artifact, outcome: { kind: held ? 'hit' : 'miss' } }
  }

  async function open(reference: BlobReference, ask: Ask): Promise<Opened> {
    const held = await heldAs(reference)
    if (!held) demandAllowed(reference, ask)
    const member = await rights.membership(reference, held?.id, ask)
    const bytes = held && (await store.open(held.id))
    if (!bytes) return openFill(reference, member, ask)
    const artifact = artifactOf(reference, bytes.size, octetStream)
    proveBehind(reference, artifact.size, ask)
    return { artifact, outcome: { kind: 'hit' }, from: 'bytes' in bytes ? 'memory' : 'disk', bytes }
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

  async function openFill(reference: BlobReference, member: Membership, ask: Ask): Promise<Opened> {
    demandAllowed(reference, ask)
    demandOnline(reference)
    const joined = transfer.running(reference.digest) !== undefined
    // A manifest's word binds whoever gives the bytes; an answer to a HEAD was only that upstream's word at the time, but
    // worth more than a mirror's.
    const isBinding = member.mediaType !== undefined || mirrors.has(reference.upstream)
    const size = isBinding ? member.size : undefined
    const fill = transfer.fill(artifactOf(reference, size, octetStream), mirrors.rank(reference, [member.source]))
    const bytes = fill.follow()
    if (!joined) note(reference, fill, member.mediaType)
    try {
      const opened = await untilGone(fill.opened, ask.signal)
      return {
        artifact: artifactOf(reference, opened.size, octetStream),
        outcome: { kind: joined ? 'collapsed' : 'miss' },
        from: 'fill',
        bytes,
      }
    } catch (error) {
      await bytes[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Clients are told of mirrors that were seen to have the blob; this one may be too early for it, the next is not. */
  function proveBehind(reference: BlobReference, size: number | undefined, { onlyIfHeld }: Ask): void {
    if (!onlyIfHeld && size !== undefined && mirrors.has(reference.upstream)) void mirrors.prove(reference, size)
  }

  /** For metalinks; now, when nobody waits for it, rather than in the fill, which it would slow. */
  async function hashPieces(blob: StoredBlob): Promise<void> {
    const length = pieceLengthFor(blob.size)
    if (length === undefined || (await knowledge.pieces(blob))) return
    const { pieces } = await hasher.start(blob.path, [], length).finish(blob.size)
    const known = pieces && asPieces(pieces, blob.size)
    if (known) await knowledge.addPieces(blob.id, known)
  }

  /** What the bytes do not say is written down once they are stored, whoever is still there by then. */
  function note(reference: BlobReference, fill: Fill, mediaType: string | undefined): void {
    const { isPublic } = upstreams(reference.upstream)
    const note = fill.stored
      .then(async ({ blob, digests }) => {
        await knowledge.addBlob(blob, { mediaType, repositories: [printPlace(reference)], isPublic, aliases: digests })
        await hashPieces(blob)
      })
      .catch((error) => log.warn('blob.note', { digest: reference.digest, error }))
      .finally(() => {
        if (notes.get(reference.digest) === note) notes.delete(reference.digest)
      })
    notes.set(reference.digest, note)
  }

  return {
    resolve,
    open,
    noted: async (digest) => notes.get(digest),
    settled: async () => void (await Promise.all(notes.values())),
  }
}
