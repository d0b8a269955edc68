import type { BlobId, Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { printReference } from '../model/reference.ts'
import type { Target } from './catalog.ts'
import { isTagReference, type Knowledge } from './knowledge.ts'

export function printTarget(target: Target): string {
  return target.kind === 'digest' ? target.digest : printReference(target)
}

/** The digest an operator's target means here, without asking anybody. @throws Fault 'not-found' */
export async function digestHere(
  target: Target,
  knowledge: Pick<Knowledge, 'tag' | 'idOf'>,
): Promise<{ digest: Digest; id: BlobId }> {
  const digest = await named(target, knowledge)
  const id = digest && (await knowledge.idOf(digest))
  if (!digest || !id) throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
  return { digest, id }
}

async function named(target: Target, knowledge: Pick<Knowledge, 'tag'>): Promise<Digest | undefined> {
  if (target.kind !== 'manifest') return target.digest
  return isTagReference(target) ? (await knowledge.tag(target))?.digest : (target.pointer as Digest)
}
