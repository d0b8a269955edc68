import { KiB, MiB } from '../kit/blobs.ts'
import { createDice, type Dice } from '../kit/dice.ts'
import type { Deal, Fault } from '../kit/upstream/rules.ts'
import type { Item } from './contents.ts'
import type { Tally } from './tally.ts'

/** What places do wrong, by chance: each answer for itself, the n-th about one path always the same. */
export interface Dealer {
  /** For the place of that name. */
  readonly at: (place: string) => Deal
  /** How often a place fails from now on, 0 to 1. */
  often(place: string, rate: number): void
  /** As often as is usual; where that is never, nobody fails any more. */
  usual(rate: number): void
}

export interface DealerDeps {
  readonly seed: number
  readonly faults: Tally
  /** What a path of a place is about. */
  readonly item: (path: string) => Item | undefined
}

type Kinds = Readonly<Record<string, (dice: Dice, bytes: Buffer) => Fault>>

/** Whatever it is about. */
const refusals: Kinds = {
  429: () => ({ status: 429, headers: { 'retry-after': '1' } }),
  500: () => ({ status: 500 }),
  503: () => ({ status: 503 }),
  'hangs up': () => ({ reset: true }),
  'is silent': () => ({ stall: 'for ever' }),
  'is late': (dice) => ({ stall: 50 + dice.below(600) }),
}

/** Right bytes, but not all of them, not in time or not in this way. */
const pains: Kinds = {
  'breaks off': (dice, { length }) => ({ cutAfter: dice.below(length) }),
  stops: (dice, { length }) => ({ stallAfter: dice.below(length) }),
  pauses: (dice, { length }) => ({ stallAfter: dice.below(length), stallMs: 100 + dice.below(500) }),
  'is slow': (dice) => ({ bytesPerSecond: 200 * KiB + dice.below(4 * MiB) }),
  'ignores Range': () => ({ ignoreRange: true }),
  'says no length': () => ({ length: 'chunked' }),
}

/** Wrong bytes that look as if they were right. */
const lies: Kinds = {
  'has a byte wrong': (dice, { length }) => ({ flipAt: dice.below(length) }),
  'has a byte wrong, and is slow': (dice, { length }) => ({ flipAt: dice.below(length), bytesPerSecond: 2 * MiB }),
  'is shorter': (dice, bytes) => ({ body: bytes.subarray(0, dice.below(bytes.length)) }),
  'is something else': () => ({ body: '<html>log in first</html>' }),
  'says a length that is too long': (dice) => ({ lengthBy: 1 + dice.below(5000) }),
  'says another total': (_, { length }) => ({ total: length + 7 }),
  'says a length that is too short': (dice, { length }) => ({ lengthBy: -1 - dice.below(length) }),
}

export function createDealer({ seed, faults, item }: DealerDeps): Dealer {
  const asked = new Map<string, number>()
  const rates = new Map<string, number>()
  let usual = 0

  function choose(dice: Dice, about: Item | undefined): readonly [string, Fault] {
    const bytes = about?.versions[about.now]
    const isWhole = bytes !== undefined && bytes.length > 0
    const kinds = isWhole ? dice.pick([refusals, pains, pains, ...(about!.isLiedAbout ? [lies] : [])]) : refusals
    const [name, make] = dice.pick(Object.entries(kinds))
    return [name, make(dice, bytes ?? Buffer.alloc(0))]
  }

  return {
    at: (place) => (request) => {
      const rate = usual === 0 ? 0 : (rates.get(place) ?? usual)
      const key = `${place} ${request.method} ${request.path}`
      const nth = (asked.get(key) ?? 0) + 1
      asked.set(key, nth)
      const dice = createDice(`${seed} ${key} ${nth}`)
      if (!dice.chance(rate)) return undefined
      const [name, fault] = choose(dice, request.method === 'GET' ? item(request.path) : undefined)
      faults.add(`upstream: ${name}`)
      return fault
    },
    often: (place, rate) => void rates.set(place, rate),
    usual(rate) {
      usual = rate
      rates.clear()
    },
  }
}
