/** Counts of what has names, in the order of the names. */
export interface Tally {
  add(name: string, count?: number): void
  of(name: string): number
  readonly total: number
  readonly entries: readonly (readonly [string, number])[]
}

export function createTally(): Tally {
  const counts = new Map<string, number>()
  return {
    add: (name, count = 1) => void counts.set(name, (counts.get(name) ?? 0) + count),
    of: (name) => counts.get(name) ?? 0,
    get total() {
      return [...counts.values()].reduce((sum, count) => sum + count, 0)
    },
    get entries() {
      return [...counts].sort(([a], [b]) => a.localeCompare(b))
    },
  }
}
