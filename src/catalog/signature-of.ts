import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Blobs } from './blobs.ts'
import type { Linking } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import type { Knowledge } from './knowledge.ts'
import type { Notes } from './notes.ts'

export interface SignatureOfDeps {
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Pick<Knowledge, 'idOf'>
  readonly blobs: Pick<Blobs, 'resolve'>
  readonly notes: Pick<Notes, 'noted'>
  readonly signatures: Pick<Signatures, 'told' | 'improve'>
  readonly clock: Pick<Clock, 'sleep'>
}

const patienceMs = 5_000 // for one that has to be made first: enough for a few GiB

/** The signature of a held blob, for who may have the blob. */
export function createSignatureOf({ store, knowledge, blobs, notes, signatures, clock }: SignatureOfDeps): Linking['signature'] {
  async function patiently(work: Promise<void>, { signal }: Ask): Promise<void> {
    const done = new AbortController()
    const patience = clock.sleep(patienceMs, AbortSignal.any([signal, done.signal])).catch(() => {})
    await Promise.race([work, patience])
    done.abort()
  }

  return async (reference, ask) => {
    await blobs.resolve(reference, ask) // may they have it?
    await patiently(notes.noted(reference.digest), ask) // it may have come in just now
    const id = await knowledge.idOf(reference.digest)
    const stored = id && (await store.stat(id))
    if (!stored) throw none(reference.digest)
    if (!(await signatures.told(id))) await patiently(signatures.improve(reference.upstream, stored), ask)
    const found = await signatures.told(id)
    if (!found) throw none(reference.digest)
    return found.armored
  }
}

function none(digest: string): Fault {
  return new Fault('not-found', { what: `an OpenPGP signature of ${digest}`, asked: ['this store'] })
}
