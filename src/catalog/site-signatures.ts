import type { BlobId } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import type { OpenPgp } from '../system/openpgp.ts'
import type { KeptSignatures } from './kept-signatures.ts'

export interface SiteSignaturesDeps {
  readonly openpgp: Pick<OpenPgp, 'sign' | 'signFile'>
  readonly siteKey: string | undefined // its fingerprint; undefined: nothing is signed
  readonly kept: Pick<KeptSignatures, 'told' | 'keep'>
  readonly log: Logger
}

/** Signs with the key of the site: blobs once each, one after the other, and documents at once. */
export interface SiteSignatures {
  readonly isOn: boolean
  /** Settles when the blob has a signature, or will not get one now. Never rejects. */
  sign(blob: Pick<StoredBlob, 'id' | 'path' | 'size'>): Promise<void>
  /** @throws Fault 'not-found' where there is no key */
  document(bytes: Uint8Array): Promise<string>
  /** What is not signed yet is left for the next time that somebody asks. */
  close(): Promise<void>
}

const mostWaiting = 1000

export function createSiteSignatures({ openpgp, siteKey, kept, log }: SiteSignaturesDeps): SiteSignatures {
  const waiting = new Map<BlobId, Promise<void>>()
  const closing = new AbortController()
  let last = Promise.resolve()

  async function signNow({ id, path, size }: Pick<StoredBlob, 'id' | 'path' | 'size'>): Promise<void> {
    if (closing.signal.aborted) return
    try {
      if (await kept.told(id)) return
      const armored = await openpgp.signFile(path, size, closing.signal)
      await kept.keep(id, { armored, by: 'site', keys: [siteKey!] })
      log.debug('signature.made', { digest: id })
    } catch (error) {
      if (closing.signal.aborted || isFault(error, 'cancelled')) return
      log.warn('signature.failed', { digest: id, error })
    } finally {
      waiting.delete(id)
    }
  }

  return {
    isOn: siteKey !== undefined,
    async sign(blob) {
      if (siteKey === undefined) return
      const running = waiting.get(blob.id)
      if (running) return running
      if (waiting.size >= mostWaiting) return
      const mine = last.then(() => signNow(blob))
      waiting.set(blob.id, mine)
      last = mine
      return mine
    },
    async document(bytes) {
      if (siteKey === undefined)
        throw new Fault('not-found', { what: 'a signature of this document, as there is no signing.key in the settings,' })
      return openpgp.sign(bytes)
    },
    async close() {
      closing.abort()
      await last
    },
  }
}
