import { type Algorithm, algorithmOf, type Digest, hexOf } from '../model/digest.ts'
import { algorithmNamed } from './hash-names.ts'

/** `Digest` as aria2 and wget read it: `SHA-256=` and base64 of the raw hash. @see RFC 3230 §4.3.2, RFC 5843 */
export function printDigest(digests: readonly Digest[]): string {
  return digests.map((digest) => `${rfc3230Names[algorithmOf(digest)]}=${base64Of(digest)}`).join(',')
}

/** `Repr-Digest`, and `Content-Digest` for the hash of what one answer holds: `sha-256=:…:`. @see RFC 9530 §2 and §3 */
export function printReprDigest(digests: readonly Digest[]): string {
  return digests.map((digest) => `${rfc9530Names[algorithmOf(digest)]}=:${base64Of(digest)}:`).join(', ')
}

/** May `Repr-Digest` name it? The older ones are deprecated there. @see RFC 9530 §5 */
export function isForReprDigest(algorithm: Algorithm): boolean {
  return algorithm === 'sha256' || algorithm === 'sha512'
}

/**
 * The algorithms that `Want-Digest` asks for, best liked first; none where it cannot be read.
 *
 * @see RFC 3230 §4.3.1
 */
export function parseWantDigest(field: string | undefined): readonly Algorithm[] {
  return readWants(field, (member) => {
    const [, name, weight] = oldWant.exec(member) ?? []
    return name === undefined ? undefined : { name, weight: Number(weight ?? 1) }
  })
}

/**
 * The same of `Want-Repr-Digest`, of which only those are given that `Repr-Digest` may name.
 *
 * @see RFC 9530 §4; RFC 8941 §3.2
 */
export function parseWantReprDigest(field: string | undefined): readonly Algorithm[] {
  const wanted = readWants(field, (member) => {
    const [, name, weight] = want.exec(member) ?? []
    return name === undefined ? undefined : { name, weight: Number(weight) }
  })
  return wanted.filter(isForReprDigest)
}

const longestWant = 1024
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const oldWant = new RegExp(`^(${token})(?:[ \\t]*;[ \\t]*q=(0(?:\\.\\d{0,3})?|1(?:\\.0{0,3})?))?$`, 'i')
const want = /^([a-z*][a-z0-9_.*-]*)=(\d|10)$/

interface Want {
  readonly name: string
  readonly weight: number // 0: not wanted
}

/** A name that stands there twice counts as it does the last time. */
function readWants(field: string | undefined, read: (member: string) => Want | undefined): readonly Algorithm[] {
  if (field === undefined || field.length > longestWant) return []
  const weights = new Map<Algorithm, number>()
  for (const member of field.split(',').map((one) => one.trim())) {
    if (member === '') continue
    const wish = read(member)
    if (!wish) return []
    const algorithm = algorithmNamed(wish.name)
    if (algorithm) weights.set(algorithm, wish.weight)
  }
  const wanted = [...weights].filter(([, weight]) => weight > 0)
  return wanted.sort(([, one], [, other]) => other - one).map(([algorithm]) => algorithm)
}

const rfc3230Names: Readonly<Record<Algorithm, string>> = { sha512: 'SHA-512', sha256: 'SHA-256', sha1: 'SHA', md5: 'MD5' }
const rfc9530Names: Readonly<Record<Algorithm, string>> = { sha512: 'sha-512', sha256: 'sha-256', sha1: 'sha', md5: 'md5' }

function base64Of(digest: Digest): string {
  return Buffer.from(hexOf(digest), 'hex').toString('base64')
}
