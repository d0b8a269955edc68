import { type Algorithm, algorithmOf, algorithms, type Digest } from '../model/digest.ts'
import { algorithmNamed, digestFromHex } from './hash-names.ts'

/** A line of a file of checksums. */
export interface Checksum {
  readonly name: string | undefined // undefined where the file holds nothing but the hash of the file it is named after
  readonly digest: Digest
}

const mostLines = 100_000
const longestLine = 5000

const gnu = /^([0-9a-fA-F]{32,128})(?: [ *]|\t)(.+)$/
const bsd = /^([A-Za-z0-9-]{2,12}) ?\((.+)\) ?= ?([0-9a-fA-F]{32,128})$/
const bare = /^([0-9a-fA-F]{32,128})$/

/**
 * Reads `SHA256SUMS`, `name.sha256` and their like, as coreutils, BSD and OpenSSL write them. Lines that are none of these, as
 * of a signature around them, and hashes that we do not compute are passed over.
 *
 * @see GNU coreutils manual, "md5sum invocation"
 */
export function parseChecksums(text: string): readonly Checksum[] {
  return text
    .replace(/^\ufeff/, '')
    .split('\n', mostLines)
    .flatMap(readLine)
}

/**
 * What the file says of the file of that name: the strongest digest, undefined if it has none or contradicts itself. A path
 * counts by its last part, as such files are often made from a folder above.
 *
 * @param name the bare name, without a folder
 */
export function checksumOf(checksums: readonly Checksum[], name: string): Digest | undefined {
  const named = checksums.filter((checksum) => checksum.name === name || checksum.name === `./${name}`)
  const below = checksums.filter((checksum) => checksum.name?.endsWith(`/${name}`))
  const alone = checksums.length === 1 && checksums[0]!.name === undefined ? checksums : []
  const digests = [named, below, alone].find((found) => found.length > 0)?.map(({ digest }) => digest) ?? []
  for (const algorithm of algorithms) {
    const [digest, ...others] = new Set(digests.filter((one) => algorithmOf(one) === algorithm))
    if (others.length > 0) return undefined
    if (digest !== undefined) return digest
  }
  return undefined
}

function readLine(whole: string): readonly Checksum[] {
  const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole
  if (line.length > longestLine) return []
  const isEscaped = line.startsWith('\\')
  const rest = isEscaped ? line.slice(1) : line
  const [, tagged, inBrackets, behind] = bsd.exec(rest) ?? []
  const [, before, after] = gnu.exec(rest) ?? []
  const hex = behind ?? before ?? bare.exec(rest.trim())?.[1]
  const algorithm = tagged === undefined ? algorithmOfLength(hex?.length) : taggedAlgorithm(tagged)
  const digest = algorithm && hex ? digestFromHex(algorithm, hex) : undefined
  const name = inBrackets ?? after
  return digest === undefined ? [] : [{ name: name !== undefined && isEscaped ? withoutEscapes(name) : name, digest }]
}

function algorithmOfLength(length: number | undefined): Algorithm | undefined {
  return length === undefined ? undefined : byLength[length]
}

const byLength: Readonly<Record<number, Algorithm>> = { 32: 'md5', 40: 'sha1', 64: 'sha256', 128: 'sha512' }

/** OpenSSL 3 writes SHA2-256. */
function taggedAlgorithm(name: string): Algorithm | undefined {
  return algorithmNamed(name.replace(/^SHA2-/i, 'SHA-'))
}

const escapes: Readonly<Record<string, string>> = { '\\\\': '\\', '\\n': '\n', '\\r': '\r' }

function withoutEscapes(name: string): string {
  return name.replace(/\\[\\nr]/g, (pair) => escapes[pair]!)
}
