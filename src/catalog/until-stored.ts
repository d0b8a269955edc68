import type { Digest } from '../model/digest.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Opened } from './catalog.ts'
import type { Notes } from './notes.ts'

/** Holds what was opened by a digest until it is stored, and what is known of it is written down. @throws Fault of its fill */
export async function untilStored(
  { notes }: { readonly notes: Pick<Notes, 'noted'> },
  { bytes, stored }: Opened,
  digest: Digest,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (stored) await untilGone(stored, signal)
    await untilGone(notes.noted(digest), signal)
  } finally {
    await bytes[Symbol.asyncDispose]()
  }
}
