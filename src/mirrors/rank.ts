export interface Ranked {
  readonly priority: number
  readonly site: string | undefined
  readonly country: string | undefined
  readonly bytesPerSecond: number | undefined
}

export interface Here {
  readonly name?: string | undefined
  readonly country?: string | undefined
}

/**
 * Orders places: by the priority the operator gave, then our own site, our own country, then speed, in steps of two so
 * that the order does not change with each measurement. Equal ones stay as they were.
 */
export function rank<T extends Ranked>(places: readonly T[], here: Here): readonly T[] {
  const key = (place: T): readonly number[] => [
    place.priority,
    here.name !== undefined && place.site === here.name ? 0 : 1,
    here.country !== undefined && place.country === here.country ? 0 : 1,
    -speedStep(place.bytesPerSecond),
  ]
  return places
    .map((place) => ({ place, key: key(place) }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ place }) => place)
}

/** 1 MB/s counts as 0; what was never measured as 10 MB/s, so that it gets its turn. */
function speedStep(bytesPerSecond = 10e6): number {
  return Math.round(Math.log2(Math.max(1, bytesPerSecond) / 1e6))
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) if (value !== b[at]) return value - b[at]!
  return 0
}
