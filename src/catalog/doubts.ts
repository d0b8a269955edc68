import { isStrong } from '../model/digest.ts'
import type { NameFacts } from '../model/facts.ts'
import { isFault } from '../model/fault.ts'
import type { AnswersDeps } from './answers.ts'
import type { Knowledge } from './knowledge.ts'

/**
 * A name whose bytes turned out to be others than its upstream had said, or not to be there, is asked for again by whoever wants
 * it next: it may mean something else by now. What was said before is given only, as of any name, where its upstream is too slow
 * or fails; the bytes are verified all the same. Never rejects.
 *
 * @param isMeant is it still what was said then?
 */
export type Doubt = (names: Iterable<string>, error: unknown, isMeant: (facts: NameFacts) => boolean) => Promise<void>

type DoubtsDeps = Pick<AnswersDeps, 'policyOf' | 'clock' | 'log'> & { readonly knowledge: Pick<Knowledge, 'changeName'> }

export function createDoubts({ knowledge, policyOf, clock, log }: DoubtsDeps): Doubt {
  async function doubt(name: string, error: unknown, isMeant: (facts: NameFacts) => boolean): Promise<void> {
    await knowledge.changeName(name, (facts) => {
      if (!facts || !isMeant(facts)) return undefined
      const staleSince = clock.now() - policyOf(facts.reference.upstream).freshForMs
      const checkedAt = Math.max(0, Math.min(facts.checkedAt, staleSince))
      log.warn('name.doubted', { name, digestFrom: facts.about.digestFrom, error })
      // What we found ourselves of a version that nobody vouches for is of no use when its bytes are gone. Nor is it enough
      // that the upstream says that nothing has changed: all that it says is to be heard anew.
      return { ...facts, id: isStrong(facts.claimed) ? facts.id : undefined, validators: {}, checkedAt }
    })
  }

  return async (names, error, isMeant) => {
    if (!isAboutTheName(error)) return
    for (const name of names) await doubt(name, error, isMeant).catch((error) => log.error('name.keep', { error }))
  }
}

/** Its upstream answered, with something else or with nothing. */
export function isAboutTheName(error: unknown): boolean {
  return isFault(error, 'corrupt', 'source-changed', 'not-found', 'all-sources-failed')
}
