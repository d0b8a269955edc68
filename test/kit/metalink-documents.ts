import fc from 'fast-check'
import type { MetalinkDocument, MetalinkFile, MetalinkPieces } from '../../src/formats/metalink-document.ts'
import { type Digest, digestOf } from '../../src/model/digest.ts'
import { digestOfBytes, seededBytes } from './blobs.ts'

export const ownUrl = 'https://cache.site.example/'

/** A document of one file, as ours look; `changes` go into the file. */
export function sampleDocument(changes: Partial<MetalinkFile> = {}): MetalinkDocument {
  const digest = digestOfBytes(Buffer.from('sample'))
  const file: MetalinkFile = {
    name: 'sample.sif',
    size: 2_500_000,
    digests: [digest],
    urls: [
      { url: `${ownUrl}blobs/sha256/${digest.slice(7)}`, priority: 1, country: 'de' },
      { url: 'https://mirror.example/sample.sif', priority: 2 },
    ],
    identity: 'lab/sample',
    version: 'latest',
    ...changes,
  }
  return {
    generator: 'forebay/1.2.3',
    origin: `${ownUrl}metalink/hub/lab/sample:latest.meta4`,
    published: Date.UTC(2026, 0, 2, 3, 4, 5),
    updated: Date.UTC(2026, 0, 3),
    files: [file],
  }
}

/** Pieces of the right number for a file of that size; their hashes are made up. */
export function somePieces(size: number, length: number): MetalinkPieces {
  return { length, algorithm: 'sha256', hashes: seededBytes(32 * Math.ceil(size / length), 'pieces') }
}

export const sampleSignature = '-----BEGIN PGP SIGNATURE-----\n\niQEzBAABCAAdFiEE+/=\n=AbCd\n-----END PGP SIGNATURE-----'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((raw) => Buffer.from(raw).toString('hex'))
const digest = (algorithm: 'sha256' | 'sha512', bytes: number) => hex(bytes).map((text): Digest => digestOf(algorithm, text))
const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,20}$/)
const name = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const place = fc
  .record({
    scheme: fc.constantFrom('http', 'https'),
    host: fc.domain(),
    path: fc.webPath(),
    query: fc.constantFrom('', '?a=1&b=2'),
  })
  .map(({ scheme, host, path, query }) => new URL(`${scheme}://${host}${path}${query}`).href)
  .filter((url) => /^[!-~]+$/.test(url) && !/["<>\\^`{|}]/.test(url))
const urls = fc
  .uniqueArray(fc.record({ url: place, country: fc.option(fc.constantFrom('de', 'ch', 'us'), { nil: undefined }) }), {
    maxLength: 5,
    selector: ({ url }) => url,
  })
  .map((others) =>
    [{ url: `${ownUrl}blobs/x`, country: undefined }, ...others].map(({ url, country }, index) => ({
      url,
      priority: index + 1,
      ...(country && { country }),
    })),
  )
// Text with everything that XML treats in a special way.
const text = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('&', '<', '>', '"', "'", ']', '/'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
  })
  .map((string) => string.trim())
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no document may hold them
  .filter((string) => string !== '' && string.isWellFormed() && !/[\0-\x1f\x7f\ufffe\uffff]/.test(string))
const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })

const file: fc.Arbitrary<MetalinkFile> = fc
  .record({
    name,
    size: fc.oneof(fc.nat(100), fc.nat(2 ** 31), fc.maxSafeNat()),
    digests: fc
      .tuple(digest('sha256', 32), optional(digest('sha512', 64)))
      .map((list) => list.filter((one) => one !== undefined)),
    pieceCount: fc.nat(6),
    urls,
    identity: optional(text),
    version: optional(text),
    signature: optional(fc.constant(sampleSignature)),
  })
  .map(({ pieceCount, ...rest }) => {
    const length = Math.max(1, Math.ceil(rest.size / Math.max(1, pieceCount)))
    return {
      ...rest,
      pieces: pieceCount === 0 || rest.size === 0 || length >= 2 ** 31 ? undefined : somePieces(rest.size, length),
    }
  })

/** Any document that may be printed. */
export const anyDocument: fc.Arbitrary<MetalinkDocument> = fc.record({
  generator: fc.constantFrom('forebay', 'forebay/0.1.0', 'forebay/1.0.0-rc.1+build'),
  origin: fc.constant(`${ownUrl}metalink/hub/a%20b.meta4?platform=linux/amd64&x=1`),
  published: fc.nat(4_000_000_000).map((seconds) => seconds * 1000),
  updated: fc.nat(4_000_000_000).map((seconds) => seconds * 1000),
  files: fc.uniqueArray(file, { minLength: 1, maxLength: 5, selector: (one) => one.name }),
})
