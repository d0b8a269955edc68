import type { Brand } from './brand.ts'
import { Fault } from './fault.ts'

const hexLengths = { sha512: 128, sha256: 64, sha1: 40, md5: 32 } as const // strongest first

export type Algorithm = keyof typeof hexLengths

/** `algorithm:hex`, lower case, length checked. Made by `parseDigest` and `digestOf` only. */
export type Digest = Brand<`${Algorithm}:${string}`, 'Digest'>

/** The name of a blob in the store: always sha256. */
export type BlobId = Brand<Digest, 'BlobId'>

export const algorithms = Object.keys(hexLengths) as readonly Algorithm[]

/**
 * Reads `algorithm:hex` as OCI registries, static registries and metalinks write it.
 *
 * @throws Fault 'digest-invalid' for an unknown algorithm, upper case hex or a wrong length
 * @see OCI image-spec, descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':')
  const hex = text.slice(colon + 1)
  const expected = colon > 0 ? hexLength(text.slice(0, colon)) : undefined
  if (hex.length !== expected || !/^[0-9a-f]+$/.test(hex)) {
    throw new Fault('digest-invalid', { text: text.slice(0, 200) })
  }
  return text as Digest
}

/** The digest, or undefined where `parseDigest` would throw: for text that is allowed to be wrong, such as a header. */
export function digestOrUndefined(text: string | undefined): Digest | undefined {
  const match = text === undefined ? undefined : /^([a-z0-9]+):([0-9a-f]+)$/.exec(text)
  return match && match[2]!.length === hexLength(match[1]!) ? (text as Digest) : undefined
}

/** Joins an algorithm and the hex a hasher of that algorithm printed. */
export function digestOf(algorithm: Algorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`)
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(':')) as Algorithm
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The digest as a store name, when it is a sha256. */
export function asBlobId(digest: Digest): BlobId | undefined {
  return algorithmOf(digest) === 'sha256' ? (digest as BlobId) : undefined
}

/** The strongest of several digests of the same bytes, by length of the hash. */
export function strongest(digests: readonly Digest[]): Digest | undefined {
  return algorithms.map((name) => digests.find((digest) => algorithmOf(digest) === name)).find((found) => found !== undefined)
}

/** Can nobody make other bytes that have the same? */
export function isStrong(digest: Digest | undefined): digest is Digest {
  return digest !== undefined && ['sha512', 'sha256'].includes(algorithmOf(digest))
}

function hexLength(algorithm: string): number | undefined {
  return Object.hasOwn(hexLengths, algorithm) ? hexLengths[algorithm as Algorithm] : undefined
}
