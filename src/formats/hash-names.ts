import { type Algorithm, type Digest, digestOrUndefined } from '../model/digest.ts'

/** As the IANA registry of hash function textual names writes them, which RFC 5854 uses. */
export const hashNames: Readonly<Record<Algorithm, string>> = {
  sha512: 'sha-512',
  sha256: 'sha-256',
  sha1: 'sha-1',
  md5: 'md5',
}

const aliases: ReadonlyMap<string, Algorithm> = new Map([
  ...Object.entries(hashNames).flatMap(([algorithm, name]) => [
    [name, algorithm as Algorithm] as const,
    [algorithm, algorithm as Algorithm] as const,
  ]),
  ['sha', 'sha1'], // RFC 3230
])

/** The algorithm of that name in any spelling met in documents and header fields; undefined for one we do not compute. */
export function algorithmNamed(name: string): Algorithm | undefined {
  return aliases.get(name.trim().toLowerCase())
}

/** The digest a document spells as hex, in any case; undefined if the length is another. */
export function digestFromHex(algorithm: Algorithm, hex: string): Digest | undefined {
  return digestOrUndefined(`${algorithm}:${hex.toLowerCase()}`)
}
