import { createHash } from 'node:crypto'
import { createRandom } from './random.ts'

/** Chance that is the same for the same seed. */
export interface Dice {
  /** 0 … n - 1 */
  below(n: number): number
  pick<T>(list: readonly T[]): T
  chance(probability: number): boolean
  shuffled<T>(list: readonly T[]): readonly T[]
}

export function createDice(seed: string): Dice {
  const next = createRandom(createHash('sha256').update(seed).digest().readUInt32LE())
  const below = (n: number) => Math.floor(next() * n)
  return {
    below,
    pick: (list) => list[below(list.length)]!,
    chance: (probability) => next() < probability,
    shuffled(list) {
      const left = [...list]
      return list.map(() => left.splice(below(left.length), 1)[0]!)
    },
  }
}
