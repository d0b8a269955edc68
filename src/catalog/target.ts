import { digestInPointer } from '../formats/library-path.ts'
import type { BlobId, Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { printReference } from '../model/reference.ts'
import type { Target } from './catalog.ts'
import { isTagReference, type Knowledge } from './knowledge.ts'
import { strongOf } from './name-facts.ts'

export function printTarget(target: Target): string {
  return target.kind === 'digest' ? target.digest : printReference(target)
}

/** The digest an operator's target means here, without asking anybody. @throws Fault 'not-found' */
export async function digestHere(
  target: Target,
  knowledge: Pick<Knowledge, 'tag' | 'name' | 'idOf'>,
): Promise<{ digest: Digest; id: BlobId }> {
  const here = await digestIfHere(target, knowledge)
  if (!here) throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
  return here
}

/** The same; undefined where nothing is known of what it means, or only a digest whose sha256 is not. */
export async function digestIfHere(
  target: Target,
  knowledge: Pick<Knowledge, 'tag' | 'name' | 'idOf'>,
): Promise<{ digest: Digest; id: BlobId } | undefined> {
  const digest = await named(target, knowledge)
  const id = digest && (await knowledge.idOf(digest))
  return id && { digest, id }
}

async function named(target: Target, knowledge: Pick<Knowledge, 'tag' | 'name'>): Promise<Digest | undefined> {
  if (target.kind === 'image' || target.kind === 'file') {
    const facts = await knowledge.name(printReference(target))
    if (facts) return strongOf(facts)
    return target.kind === 'image' ? digestInPointer(target.pointer) : undefined
  }
  if (target.kind !== 'manifest') return target.digest
  return isTagReference(target) ? (await knowledge.tag(target))?.digest : (target.pointer as Digest)
}
