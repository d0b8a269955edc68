import type { BlobId } from '../model/digest.ts'
import type { BlobSignature } from '../model/facts.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import type { Filled } from '../transfer/transfer.ts'
import { createKeptSignatures, type KeptSignaturesDeps } from './kept-signatures.ts'
import { createPublisherSignatures, type PublisherSignatures, type PublisherSignaturesDeps } from './publisher-signatures.ts'
import { createSignatureSearch, type SignatureSearchDeps } from './signature-search.ts'
import { createSiteSignatures, type SiteSignatures, type SiteSignaturesDeps } from './site-signatures.ts'

export type SignaturesDeps = Omit<KeptSignaturesDeps, 'now'> &
  Omit<SiteSignaturesDeps, 'kept'> &
  Omit<PublisherSignaturesDeps, 'kept' | 'search'> &
  Omit<SignatureSearchDeps, 'readsMetalinks'>

/** OpenPGP signatures of blobs and documents: those that publishers made, and those of the site. */
export interface Signatures extends Pick<PublisherSignatures, 'isRequired' | 'demand' | 'demandHeld' | 'approve'> {
  /** Is there a key of the site? */
  readonly isSigning: boolean
  readonly document: SiteSignatures['document']
  /** What clients are told of. */
  told(id: BlobId): Promise<BlobSignature | undefined>
  /** A blob came in: keeps what was found of it, or signs it. */
  note(filled: Filled): Promise<void>
  /** Somebody asked for a document about a held blob: what it lacks is made, behind the answer. Never rejects. */
  improve(upstream: UpstreamId, blob: StoredBlob): Promise<void>
  /** The blob was removed; without an id: any may have been. */
  forget(id?: BlobId): void
  /** Moves when a signature came or went. */
  readonly version: number
  close(): Promise<void>
}

export function createSignatures(deps: SignaturesDeps): Signatures {
  const { siteKey, clock, log } = deps
  const kept = createKeptSignatures({ ...deps, now: clock.now })
  const site = createSiteSignatures({ ...deps, kept })
  const search = createSignatureSearch({ ...deps, readsMetalinks: siteKey !== undefined })
  const publishers = createPublisherSignatures({ ...deps, kept, search })

  return {
    isRequired: publishers.isRequired,
    demand: publishers.demand,
    demandHeld: publishers.demandHeld,
    approve: publishers.approve,
    isSigning: site.isOn,
    document: site.document,
    told: kept.told,
    async note(filled) {
      await publishers.note(filled).catch((error) => log.warn('signature.note', { digest: filled.blob.id, error }))
      await site.sign(filled.blob)
    },
    async improve(upstream, blob) {
      await publishers.review(upstream, blob).catch((error) => log.warn('signature.review', { digest: blob.id, error }))
      await site.sign(blob)
    },
    forget: kept.forget,
    get version() {
      return kept.version
    },
    close: site.close,
  }
}
