const shape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

/** Epoch ms of a time that names its zone; undefined for anything else, since nobody knows what a time without one means. */
export function parseRfc3339(text: string): number | undefined {
  const at = shape.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

/** @param at epoch ms, of a year of four digits */
export function printRfc3339(at: number): string {
  return new Date(at).toISOString()
}
