import type { Records } from '../records/records.ts'
import type { HeldName, Passing } from './catalog.ts'
import type { Names } from './names.ts'

export interface HeldNamesDeps {
  readonly records: Pick<Records, 'names'>
  readonly names: Pick<Names, 'held'>
}

const most = 10_000

/** What can be told of an upstream's images without asking it. */
export function createHeldNames({ records, names }: HeldNamesDeps): Passing['heldNames'] {
  return async (upstream) => {
    const found: HeldName[] = []
    for await (const [, facts] of records.names.entries(`${upstream}/`)) {
      const held = facts.reference.kind === 'image' ? await names.held(facts) : undefined
      if (held) found.push({ facts, ...held })
      if (found.length >= most) break
    }
    return found
  }
}
