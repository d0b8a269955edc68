import { KiB, MiB } from './blobs.ts'
import type { Dice } from './dice.ts'
import type { Fault } from './upstream/rules.ts'

/** What a place of a test does wrong with one answer, by name. */
export interface BadAnswer {
  readonly name: string
  readonly fault: Fault
}

type Make = (dice: Dice, size: number) => Fault

/** Not what was asked for: whoever asked sees it at the headers, or hears nothing. */
const refusals: Readonly<Record<string, Make>> = {
  'hangs up': () => ({ reset: true }),
  'is silent': () => ({ stall: 'for ever' }),
  'is silent at first': (dice) => ({ stall: 50 + dice.below(300) }),
  401: () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
  403: () => ({ status: 403 }),
  404: () => ({ status: 404 }),
  418: () => ({ status: 418 }),
  429: () => ({ status: 429 }),
  '429 for a minute': () => ({ status: 429, headers: { 'retry-after': '60' } }),
  500: () => ({ status: 500 }),
  503: () => ({ status: 503, headers: { 'retry-after': '30' } }),
  'redirects to itself': () => ({ status: 307, headers: { location: '?again' } }),
  'redirects inside': () => ({ status: 302, headers: { location: 'http://169.254.169.254/latest' } }),
  'redirects nowhere': () => ({ status: 301, headers: { location: 'http://127.0.0.1:1/x' } }),
  'shows a page': () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }),
  'sends nothing': () => ({ body: '' }),
  'packs it': () => ({ gzip: true }),
  'says it is longer': (dice) => ({ lengthBy: 1 + dice.below(5000) }),
  'says it is shorter': (dice) => ({ lengthBy: -1 - dice.below(5000) }),
  'says another total': (_, size) => ({ total: size + 7 }),
  'says another range': (_, size) => ({ contentRange: `bytes 100-${size - 1}/${size}` }),
}

/** Right bytes in a way that hurts. */
const pains: Readonly<Record<string, Make>> = {
  'breaks off': (dice, size) => ({ cutAfter: dice.below(size) }),
  'breaks off early': (dice) => ({ cutAfter: dice.below(300 * KiB) }),
  'stops midway': (dice, size) => ({ stallAfter: dice.below(size) }),
  'stops for a while': (dice, size) => ({ stallAfter: dice.below(size), stallMs: 300 }),
  'gives no ranges': () => ({ ignoreRange: true }),
  'says no length': () => ({ length: 'chunked' }),
  'ends by closing': () => ({ length: 'close' }),
  'has another ETag': () => ({ etag: '"another"' }),
  crawls: (dice) => ({ bytesPerSecond: 2 * MiB + dice.below(2 * MiB) }),
  drips: () => ({ drip: { bytes: 20_000, everyMs: 4 } }),
}

/** Wrong bytes of the right length. */
const lies: Readonly<Record<string, Make>> = {
  'has a byte wrong': (dice, size) => ({ flipAt: dice.below(size) }),
  'has its first byte wrong': () => ({ flipAt: 0 }),
  'has a byte wrong in each answer': (dice) => ({ flipAt: (start) => start + 100 + dice.below(1000) }),
  'has a byte wrong and breaks off': (dice, size) => ({ flipAt: dice.below(size), cutAfter: dice.below(size) }),
  'has a byte wrong and crawls': (dice, size) => ({ flipAt: dice.below(size), bytesPerSecond: 4 * MiB }),
}

const kinds = { refusals, pains, lies } as const

/** One thing to do wrong, of these kinds, chosen by chance. */
export function badAnswer(dice: Dice, size: number, among: readonly (keyof typeof kinds)[]): BadAnswer {
  const choices = Object.entries(kinds[dice.pick(among)])
  const [name, make] = dice.pick(choices)
  return { name, fault: make(dice, size) }
}
