import { type Algorithm, algorithms, type Digest, hexOf } from '../model/digest.ts'
import type { Fault } from '../model/fault.ts'
import { algorithmNamed, digestFromHex } from './hash-names.ts'
import type { ForeignFile, MetalinkPieces, MetalinkUrl } from './metalink-document.ts'
import { mistakeInForeignName } from './metalink-names.ts'
import { readForeignUrl } from './metalink-urls.ts'
import { invalidXml, type MetalinkLimits, type XmlElement } from './metalink-xml.ts'

/** What the reading of one document carries along. */
export interface Reading {
  readonly limits: MetalinkLimits
  readonly ignored: string[]
  invalid(why: string): Fault<'upstream-invalid'>
}

export function beginReading(from: string, limits: MetalinkLimits): Reading {
  return { limits, ignored: [], invalid: (why) => invalidXml(from, why) }
}

/** The children of that name in the namespace of their parent. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name && child.namespace === element.namespace)
}

export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return childrenOf(element, name)[0]
}

/** The text of the first child of that name; undefined if it is empty, over-long or not plain. */
export function textIn(element: XmlElement, name: string): string | undefined {
  return plain(childOf(element, name)?.text)
}

export function plain(text: string | undefined): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a character reference may have brought them
  if (text === undefined || text === '' || text.length > 1000 || /[\0-\x1f\x7f]/.test(text) || !text.isWellFormed())
    return undefined
  return text
}

/** Reads every file with `readFile`; there is at least one, and no two share a name. */
export function filesIn(
  elements: readonly XmlElement[],
  reading: Reading,
  readFile: (element: XmlElement, name: string) => ForeignFile,
): readonly ForeignFile[] {
  if (elements.length === 0) throw reading.invalid('it names no file')
  if (elements.length > reading.limits.files)
    throw reading.invalid(`it names ${elements.length} files, and at most ${reading.limits.files} are read`)
  const files = elements.map((element) => readFile(element, nameOf(element, reading)))
  const names = new Set(files.map(({ name }) => name))
  if (names.size < files.length) throw reading.invalid('two of its files have one name')
  return files
}

function nameOf(element: XmlElement, reading: Reading): string {
  const name = element.attributes.get('name') ?? ''
  const mistake = mistakeInForeignName(name)
  if (mistake !== undefined) throw reading.invalid(`the file name ${JSON.stringify(name.slice(0, 100))} ${mistake}`)
  return name
}

export function sizeIn(file: XmlElement, reading: Reading): number | undefined {
  const text = childOf(file, 'size')?.text
  if (text === undefined) return undefined
  const size = wholeNumber(text)
  if (size === undefined) throw reading.invalid(`a size is ${JSON.stringify(text.slice(0, 40))}, not a number of bytes`)
  return size
}

export function wholeNumber(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(number) ? number : undefined
}

/** The whole-file hashes below `parent` that we can compute, sha256 first, then the strongest. */
export function digestsIn(parent: XmlElement, reading: Reading): readonly Digest[] {
  const found = new Map<Algorithm, Digest>()
  for (const { attributes, text } of childrenOf(parent, 'hash')) {
    const algorithm = algorithmNamed(attributes.get('type') ?? '')
    if (algorithm === undefined || found.has(algorithm)) continue
    const digest = digestFromHex(algorithm, text)
    if (digest === undefined) reading.ignored.push(`a ${algorithm} hash of the wrong length or not in hex`)
    else found.set(algorithm, digest)
  }
  return preferred.flatMap((algorithm) => found.get(algorithm) ?? [])
}

const preferred: readonly Algorithm[] = ['sha256', ...algorithms.filter((algorithm) => algorithm !== 'sha256')]

/** The first complete set of sha256 pieces below `parent`. Weaker sets say nothing about who made the bytes. */
export function piecesIn(parent: XmlElement, size: number | undefined, reading: Reading): MetalinkPieces | undefined {
  for (const set of childrenOf(parent, 'pieces')) {
    const hashes = childrenOf(set, 'hash')
    if (hashes.length > reading.limits.pieces)
      throw reading.invalid(`a file has ${hashes.length} pieces, and at most ${reading.limits.pieces} are read`)
    if (algorithmNamed(set.attributes.get('type') ?? '') !== 'sha256') continue
    const length = wholeNumber(set.attributes.get('length'))
    const complete = length && size !== undefined && hashes.length === Math.ceil(size / length)
    const raw = complete ? rawHashes(hashes) : undefined
    if (length && raw) return { length, algorithm: 'sha256', hashes: raw }
    reading.ignored.push('a list of pieces that does not fit the size or is not all sha256 in hex')
  }
  return undefined
}

function rawHashes(hashes: readonly XmlElement[]): Uint8Array | undefined {
  const raw = new Uint8Array(hashes.length * 32)
  for (const [index, { text }] of hashes.entries()) {
    const digest = digestFromHex('sha256', text)
    if (digest === undefined) return undefined
    raw.set(Buffer.from(hexOf(digest), 'hex'), index * 32)
  }
  return hashes.length > 0 ? raw : undefined
}

/** The places named by `elements` that may be considered, by priority, equal ones as the document has them. */
export function urlsIn(
  elements: readonly XmlElement[],
  reading: Reading,
  priorityOf: (element: XmlElement) => number,
): readonly MetalinkUrl[] {
  const { urls: most, urlLength } = reading.limits
  if (elements.length > most) throw reading.invalid(`a file has ${elements.length} URLs, and at most ${most} are read`)
  const urls = elements.flatMap((element): MetalinkUrl[] => {
    if (element.text.length > urlLength) throw reading.invalid(`it has a URL of more than ${urlLength} characters`)
    if (element.text === '') return []
    const read = readForeignUrl(element.text)
    if (read.outcome === 'refused') {
      reading.ignored.push(read.why)
      return []
    }
    const country = countryOf(element.attributes.get('location'))
    return [{ url: read.url, priority: priorityOf(element), ...(country === undefined ? {} : { country }) }]
  })
  return urls.toSorted((one, other) => one.priority - other.priority)
}

/** A country in lower case; some generators put other things there. */
export function countryOf(location: string | undefined): string | undefined {
  return location !== undefined && /^[A-Za-z]{2}$/.test(location) ? location.toLowerCase() : undefined
}

const longestSignature = 64 * 1024 // characters

/** An armored OpenPGP signature, without the blanks around it; undefined if it is none, or over-long. */
export function signatureOf(text: string): string | undefined {
  if (text.length > longestSignature) return undefined
  return /^-----BEGIN PGP SIGNATURE-----\n[\x20-\x7e\n]+\n-----END PGP SIGNATURE-----$/.test(text.replaceAll('\r\n', '\n'))
    ? text.replaceAll('\r\n', '\n')
    : undefined
}
