import type { Mirrors } from '../mirrors/mirrors.ts'
import { type BlobId, type Digest, hexOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import type { BlobReference } from '../model/reference.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Blobs } from './blobs.ts'
import type { LinkedFile } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import type { Knowledge, Place } from './knowledge.ts'

export interface LinksDeps {
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Knowledge
  readonly blobs: Blobs
  readonly mirrors: Mirrors
  readonly signatures: Pick<Signatures, 'told' | 'improve'>
  readonly clock: Clock
  readonly proveForMs: number // how long an answer waits for places that were not asked yet
}

/** One blob of a repository, or of any that has it. */
export interface Links {
  /** @throws Fault 'not-found', 'upstream-…' */
  ofBlob(reference: BlobReference, ask: Ask): Promise<LinkedFile>
  /** The same with what a manifest says, so that nobody need be asked. */
  describe(place: Place, file: { digest: Digest; size: number; name: string }): Promise<LinkedFile>
  /** Asks places of which it is not known whether they hold these; waits a moment, and no longer. */
  prove(place: Place, files: readonly { digest: Digest; size: number }[], ask: Ask): Promise<void>
}

export function createLinks({ store, knowledge, blobs, mirrors, signatures, clock, proveForMs }: LinksDeps): Links {
  async function idOf(digest: Digest): Promise<BlobId> {
    const id = await knowledge.idOf(digest)
    if (!id)
      throw new Fault('not-found', {
        what: `the sha256 of ${digest}, which is known once it was fetched,`,
        asked: ['this store'],
      })
    return id
  }

  const links: Links = {
    async ofBlob(reference, ask) {
      const { digest, upstream } = reference
      const { artifact } = await blobs.resolve(reference, ask)
      if (artifact.size === undefined) throw new Fault('not-found', { what: `the size of ${digest}`, asked: [upstream] })
      const file = { digest, size: artifact.size, name: hexOf(digest) }
      await links.prove(reference, [file], ask)
      return links.describe(reference, file)
    },
    async describe(place, { digest, size, name }) {
      const id = await idOf(digest)
      const stored = await store.stat(id)
      const signature = stored && (await signatures.told(id))
      if (stored && !signature?.keys.length) void signatures.improve(place.upstream, stored)
      return {
        name,
        id,
        digests: digest === id ? [id] : [id, digest],
        size: stored?.size ?? size,
        knownAt: (await knowledge.blob(id))?.createdAt ?? 0,
        pieces: stored && (await knowledge.pieces(stored)),
        signature,
        places: mirrors.proved({ kind: 'blob', ...place, digest }, stored?.size ?? size),
      }
    },
    async prove(place, files, ask) {
      const done = new AbortController()
      const patience = clock.sleep(proveForMs, AbortSignal.any([ask.signal, done.signal])).catch(() => {})
      // Questions go on behind when the answer is given, for whoever asks next; each has a limit of its own.
      const asked = files.map(({ digest, size }) => mirrors.prove({ kind: 'blob', ...place, digest }, size))
      await Promise.race([Promise.all(asked), patience])
      done.abort()
    },
  }
  return links
}
