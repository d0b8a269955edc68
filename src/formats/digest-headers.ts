import { type Algorithm, algorithmOf, type Digest, hexOf } from '../model/digest.ts'

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
