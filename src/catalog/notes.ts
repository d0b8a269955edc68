import type { BlobFacts } from '../model/facts.ts'
import { asPieces, pieceLengthFor } from '../model/pieces.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import type { Fill, Filled } from '../transfer/transfer.ts'
import type { Signatures } from './create-signatures.ts'
import type { Knowledge } from './knowledge.ts'

export interface NotesDeps {
  readonly knowledge: Knowledge
  readonly hasher: Pick<Hasher, 'start'>
  readonly signatures: Pick<Signatures, 'note'>
  readonly log: Logger
}

/** What the bytes do not say is written down once they are stored, whoever is still there by then. */
export interface Notes {
  /** `key`: of the fill. `also`: what else there is to write down of it. */
  take(key: string, fill: Fill, facts: Omit<BlobFacts, 'createdAt' | 'aliases'>, also?: (filled: Filled) => Promise<void>): void
  /** Settles once a blob that was fetched is stored, or not, and what is known of it is written down. */
  noted(key: string): Promise<void>
  /** The same for all of them. */
  settled(): Promise<void>
}

export function createNotes({ knowledge, hasher, signatures, log }: NotesDeps): Notes {
  const notes = new Map<string, Promise<void>>()

  /** For metalinks; now, when nobody waits for it, rather than in the fill, which it would slow. */
  async function hashPieces(blob: StoredBlob): Promise<void> {
    const length = pieceLengthFor(blob.size)
    if (length === undefined || (await knowledge.pieces(blob))) return
    const { pieces } = await hasher.start(blob.path, [], length).finish(blob.size)
    const known = pieces && asPieces(pieces, blob.size)
    if (known) await knowledge.addPieces(blob.id, known)
  }

  return {
    take(key, fill, facts, also = async () => {}) {
      const note = fill.stored
        .then(async (filled) => {
          await knowledge.addBlob(filled.blob, { ...facts, aliases: filled.digests })
          await also(filled)
          await hashPieces(filled.blob)
          await signatures.note(filled)
        })
        .catch((error) => log.warn('blob.note', { fill: key, error }))
        .finally(() => {
          if (notes.get(key) === note) notes.delete(key)
        })
      notes.set(key, note)
    },
    noted: async (key) => notes.get(key),
    settled: async () => void (await Promise.all(notes.values())),
  }
}
