import { createHash } from 'node:crypto'
import type { NameFacts } from '../model/facts.ts'
import { printReference } from '../model/reference.ts'

const length = 40 // digits in hex, as of a commit

/**
 * What clients know an image by: they keep its bytes under it and compare no hash. It is another one for each name and each
 * version of the bytes; what the registry calls the commit may be that of several images, and many registries have none.
 */
export function shubCommit({ reference, version }: Pick<NameFacts, 'reference' | 'version'>): string {
  return createHash('sha256')
    .update(JSON.stringify([printReference(reference), version]))
    .digest('hex')
    .slice(0, length)
}
