import { type Algorithm, algorithmOf, type Digest, hexOf } from '../model/digest.ts'
import { algorithmNamed, digestFromBase64 } from './hash-names.ts'

/** `Digest` as aria2 and wget read it: `SHA-256=` and base64 of the raw hash. @see RFC 3230 §4.3.2, RFC 5843 */
export function printDigest(digests: readonly Digest[]): string {
  return digests.map((digest) => `${rfc3230Names[algorithmOf(digest)]}=${base64Of(digest)}`).join(',')
}

/** `Repr-Digest`, and `Content-Digest` for the hash of what one answer holds: `sha-256=:…:`. @see RFC 9530 §2 and §3 */
export function printReprDigest(digests: readonly Digest[]): string {
  return digests.map((digest) => `${rfc9530Names[algorithmOf(digest)]}=:${base64Of(digest)}:`).join(', ')
}

const rfc3230Names: Readonly<Record<Algorithm, string>> = { sha512: 'SHA-512', sha256: 'SHA-256', sha1: 'SHA', md5: 'MD5' }
const rfc9530Names: Readonly<Record<Algorithm, string>> = { sha512: 'sha-512', sha256: 'sha-256', sha1: 'sha', md5: 'md5' }

function base64Of(digest: Digest): string {
  return Buffer.from(hexOf(digest), 'hex').toString('base64')
}

type Fields = string | readonly string[] | undefined

/** Reads `Digest`; what is unknown, malformed or of the wrong length is passed over. */
export function parseDigestField(fields: Fields): readonly Digest[] {
  return elementsOf(fields).flatMap((element) => digestIn(/^([^=]+)=(.*)$/.exec(element)))
}

/** Reads `Repr-Digest` or `Content-Digest` in the same way. */
export function parseReprDigest(fields: Fields): readonly Digest[] {
  return elementsOf(fields).flatMap((element) => digestIn(/^([^=]+)=:([^:]*):[ \t]*(?:;.*)?$/.exec(element)))
}

function digestIn(match: RegExpExecArray | null): readonly Digest[] {
  const algorithm = algorithmNamed(match?.[1] ?? '')
  const digest = algorithm && digestFromBase64(algorithm, match?.[2] ?? '')
  return digest === undefined ? [] : [digest]
}

/** Which algorithms a client asks for with `Want-Digest: SHA-512;q=1, MD5;q=0`. A weight of 0 asks for none. */
export function parseWantDigest(fields: Fields): ReadonlySet<Algorithm> {
  return wanted(fields, /^([^\s;]+)[ \t]*(?:;[ \t]*q=([\d.]+))?$/i)
}

/** Which algorithms a client asks for with `Want-Repr-Digest: sha-512=10, md5=0`. */
export function parseWantReprDigest(fields: Fields): ReadonlySet<Algorithm> {
  return wanted(fields, /^([^\s=;]+)=(\d+)[ \t]*(?:;.*)?$/)
}

function wanted(fields: Fields, pattern: RegExp): ReadonlySet<Algorithm> {
  const names = elementsOf(fields).flatMap((element) => {
    const [, name = '', weight = '1'] = pattern.exec(element) ?? []
    return Number(weight) > 0 ? (algorithmNamed(name) ?? []) : []
  })
  return new Set(names)
}

/** What to send of what is known: sha256 always and first, the others when asked for; without a sha256, sha512 unasked. */
export function chooseDigests(known: readonly Digest[], wants: ReadonlySet<Algorithm>): readonly Digest[] {
  const of = (algorithm: Algorithm) => known.filter((digest) => algorithmOf(digest) === algorithm)
  const first = of('sha256').length > 0 ? of('sha256') : of('sha512')
  const asked = known.filter((digest) => wants.has(algorithmOf(digest)) && !first.includes(digest))
  return [...first, ...asked]
}

function elementsOf(fields: Fields): readonly string[] {
  return [fields ?? []].flat().flatMap((field) => field.split(',').map((element) => element.trim()))
}
