const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
}

/** `90s`, `10m`, `1.5h`, `30d`, `0` in ms; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durations)
}

/** `64KiB`, `500GB`, `0` in bytes; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, sizes)
}

/** `10%`: a share of something, or a number of them as it is; undefined for anything else. */
export function parsePortion(given: string | number): { readonly share: number } | { readonly count: number } | undefined {
  if (typeof given === 'number') return Number.isSafeInteger(given) && given >= 0 ? { count: given } : undefined
  const match = /^(\d{1,3}(?:\.\d{1,3})?) ?%$/.exec(given)
  return match && Number(match[1]) <= 100 ? { share: Number(match[1]) / 100 } : undefined
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  if (text === '0') return 0
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]+)$/.exec(text)
  const factor = match && Object.hasOwn(units, match[2]!) ? units[match[2]!] : undefined
  const value = factor === undefined ? undefined : Math.round(Number(match![1]) * factor)
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined
}
