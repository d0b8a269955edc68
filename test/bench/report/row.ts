import { median, pairedRatio } from './statistics.ts'

/** One line of the table: what was measured, beside whom, and whether the target is reached. */
export interface Row {
  readonly what: string
  readonly unit: Unit
  readonly target: string
  readonly ours: readonly number[] // one value a round
  readonly peer?: { readonly who: string; readonly values: readonly number[] }
  readonly ratio?: number
  readonly met?: boolean // undefined when there was nothing to compare with
}

export type Unit = 'µs' | 'ms' | 's' | 'x blob' | 'GB/s' | '/s' | 'MiB' | 'MiB/min' | 'MB/s' | ''

interface Facts {
  readonly what: string
  readonly unit: Unit
  readonly ours: readonly number[]
  readonly peer?: { readonly who: string; readonly values: readonly number[] }
}

/** A figure with a limit of its own. */
export function absoluteRow(facts: Facts, target: string, meets: (value: number) => boolean): Row {
  return { ...facts, target, ratio: ratioOf(facts), met: meets(median(facts.ours)) }
}

/** A figure that is held against the peer's: ours divided by theirs. */
export function relativeRow(facts: Facts, target: string, meets: (ratio: number) => boolean): Row {
  const ratio = ratioOf(facts)
  return { ...facts, target, ratio, met: ratio === undefined ? undefined : meets(ratio) }
}

/** A figure that is only told. */
export function plainRow(facts: Facts): Row {
  return { ...facts, target: '-', ratio: ratioOf(facts) }
}

function ratioOf({ ours, peer }: Facts): number | undefined {
  return peer === undefined || peer.values.length === 0 ? undefined : pairedRatio(ours, peer.values)
}
