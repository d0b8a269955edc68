import fc from 'fast-check'

/** The same inputs each time; others with FUZZ_SEED, and FUZZ_RUNS times as many. */
export const fuzzSeed = Number(process.env.FUZZ_SEED ?? 20_261_121)
const times = Number(process.env.FUZZ_RUNS ?? 1)

export function fuzzRuns(usual: number): number {
  return Math.ceil(usual * times)
}

/** How long a test may take that gives so many. */
export function fuzzPatience(usualMs: number): number {
  return usualMs * Math.max(1, times)
}

/** What `fc.assert` is told, so that a failure names the seed to come back with. */
export function fuzzing(usualRuns: number): fc.Parameters<unknown> {
  return { seed: fuzzSeed, numRuns: fuzzRuns(usualRuns) }
}

/** Texts that some parser somewhere has stumbled over. */
export const nasties: readonly string[] = [
  ...[
    '',
    '\0',
    '%00',
    '..',
    '../',
    '/../',
    '%2e%2e%2f',
    '%252e',
    '%',
    '%f',
    '%ff',
    '%ed%a0%80',
    '/',
    '//',
    '\\',
    '..\\',
    '/etc/passwd',
  ],
  ...['__proto__', 'constructor', 'toString', 'length', 'hasOwnProperty', 'valueOf', 'then'],
  ...['\ud800', '\udc00', '\ufeff', '\u202e', '\u2028', '\u0130', 'é', '𝒳', '\r\n', '\r', '\n', '\t', ' ', '\x1b[31m', '\x7f'],
  ...['"', "'", '\\"', '<', '>', '&', ',', ';', '=', ':', '@', '?', '#', '*', '+', '-', '--', '.', '_', '|', '~', '$', '^', '('],
  ...['{', '}', '[', ']', '[[[[[[[[', '{"a":', 'null', 'true', '-1', '-0', '1.5', '1e999', '0x10', '9007199254740993'],
  ...['99999999999999999999', '2147483648', 'NaN', 'Infinity', 'sha256:', 'sha256.', 'md5.', 'a1'.repeat(32), 'A1'.repeat(20)],
  ...['file:///etc/passwd', 'http://[::1', 'http://u:p@h/', 'javascript:0', '//h', 'bytes=', 'W/', '<!DOCTYPE x>', '<!--', ']]>'],
  ...['&#0;', '&x;', '<?xml', 'a'.repeat(300), '9'.repeat(300), '/a'.repeat(40), '0000-00-00T00:00:00Z', '*'.repeat(20)],
]

/** One thing done to a text: of which kind, where (of 65536 parts), over what length, and with which of the nasties. */
type Change = readonly [kind: number, at: number, length: number, piece: number]

const change: fc.Arbitrary<Change> = fc.tuple(fc.nat(6), fc.nat(65_535), fc.nat(24), fc.nat(nasties.length - 1))
const changes = fc.array(change, { minLength: 1, maxLength: 4 })

/** Valid texts with something flipped, cut, put in, said twice, or from another of them. */
export function spoiltText(seeds: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(seeds.length - 1), changes)
    .map(([at, list]) => list.reduce((text, one) => changed(text, one, seeds), seeds[at]!))
}

/** Any text, mostly one that is nearly right. */
export function anyText(seeds: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 7, arbitrary: spoiltText(seeds) },
    {
      weight: 2,
      arbitrary: fc.array(fc.nat(nasties.length - 1), { maxLength: 5 }).map((list) => list.map((one) => nasties[one]!).join('')),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  )
}

function changed(text: string, [kind, where, length, piece]: Change, others: readonly string[]): string {
  const at = Math.floor((where * (text.length + 1)) / 65_536)
  const [before, after] = [text.slice(0, at), text.slice(at)]
  switch (kind) {
    case 0: // flipped
      return before + String.fromCharCode((after.charCodeAt(0) || 0) ^ (1 << (length % 8))) + after.slice(1)
    case 1: // cut off
      return before
    case 2: // something missing
      return before + after.slice(length + 1)
    case 3: // said twice
      return before + after.slice(0, length + 1) + after
    case 4: // put in
      return before + nasties[piece] + after
    case 5: // put in the place of what was there
      return before + nasties[piece] + after.slice(length + 1)
    default: // from another one
      return before + others[piece % others.length]!.slice(at)
  }
}

/** Leaves that a document may have anywhere. */
const leaves: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e300, Number.MAX_SAFE_INTEGER + 2, '', [], {}, [[]], [null], { '': '' }],
  ...[[1, 'a', null, {}], { constructor: 1, toString: 2, length: -1 }, JSON.parse('{"__proto__":{"polluted":true},"then":3}')],
]

/** JSON that is right but for one value in it, which is another, missing, doubled, or deep. */
export function spoiltJson(seeds: readonly string[]): fc.Arbitrary<string> {
  const documents = seeds.map((seed): unknown => JSON.parse(seed))
  const choice = fc.tuple(fc.nat(seeds.length - 1), fc.nat(199), fc.nat(leaves.length + nasties.length + 2))
  return fc.array(choice, { minLength: 1, maxLength: 3 }).map(([first, ...others]) => {
    const begun = replaced(documents[first![0]], first![1], first![2])
    return JSON.stringify(others.reduce((document, [, at, what]) => replaced(document, at, what), begun))
  })
}

const gone = Symbol('gone')

function replaced(document: unknown, at: number, what: number): unknown {
  const wanted = at % countNodes(document)
  let seen = -1
  const walk = (value: unknown): unknown => {
    if (++seen === wanted) return another(value, what)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((one) => walk(one)).filter((one) => one !== gone)
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, one]) => [key, walk(one)])
        .filter(([, one]) => one !== gone),
    )
  }
  const whole = walk(document)
  return whole === gone ? null : whole
}

function another(value: unknown, what: number): unknown {
  if (what < leaves.length) return leaves[what]
  const text = nasties[what - leaves.length]
  if (text !== undefined) return text
  if (what === leaves.length + nasties.length) return gone
  return what % 2 === 0 ? [value, value] : { data: value, token: value, name: value }
}

function countNodes(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, one) => sum + countNodes(one), 1)
}

/** As UTF-8; some of it as bytes that are none. */
export function bytesOfText(text: string): Buffer {
  return Buffer.from(text, text.length % 8 === 7 ? 'latin1' : 'utf8')
}
