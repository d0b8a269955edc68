import { algorithmOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { MetalinkDocument, MetalinkFile, MetalinkPieces, MetalinkUrl } from './metalink-document.ts'
import { isMetalinkName } from './metalink-names.ts'
import { countryOf, signatureOf } from './metalink-reading.ts'
import { isDocumentUrl, isLinkUrl } from './metalink-urls.ts'

const generator = /^[!#$%'*+.^_`|~0-9A-Za-z-]+(?:\/[!#$%'*+.^_`|~0-9A-Za-z-]+)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: no XML document may hold them
const unprintable = /[\0-\x1f\x7f\ufffe\uffff]/

/**
 * Refuses what the schema would let through and some client would not: odd names, places out of order, pieces that do not
 * cover the file.
 *
 * @throws Fault 'internal': whoever put the document together made a mistake
 */
export function checkDocument(document: MetalinkDocument): void {
  must(generator.test(document.generator), () => `the generator "${document.generator}" instead of name/version`)
  must(isLinkUrl(document.origin), () => 'an origin that is not a plain absolute URL')
  must(isDate(document.published) && isDate(document.updated), () => 'a date that is none')
  must(document.files.length > 0, () => 'no file')
  const names = new Set<string>()
  for (const file of document.files) {
    checkFile(file)
    must(!names.has(file.name), () => `two files named "${file.name}"`)
    names.add(file.name)
  }
}

function checkFile(file: MetalinkFile): void {
  const { name, size, digests, pieces, urls, identity, version, signature } = file
  must(isMetalinkName(name), () => `a file named "${name}"`)
  must(Number.isSafeInteger(size) && size >= 0, () => `${size} as the size of ${name}`)
  must(
    digests.some((digest) => algorithmOf(digest) === 'sha256'),
    () => `no sha256 of ${name}`,
  )
  must(pieces === undefined || covers(pieces, size), () => `pieces that do not cover ${name}`)
  must(urls.length > 0, () => `no URL for ${name}`)
  for (const [index, url] of urls.entries()) checkUrl(url, index + 1, name)
  must(isText(identity) && isText(version), () => `an identity or version of ${name} that is not plain text`)
  must(signature === undefined || signatureOf(signature) === signature, () => `a signature of ${name} that is not armored`)
}

function checkUrl({ url, priority, country }: MetalinkUrl, place: number, name: string): void {
  must(isDocumentUrl(url), () => `a URL for ${name} that is not plain and absolute`)
  // Clients that ignore priorities take the document's order.
  must(priority === place, () => `priority ${priority} at place ${place} of ${name}`)
  must(country === undefined || countryOf(country) === country, () => `the country "${country}" for ${name}`)
}

// Some clients keep the length of a piece in 31 bits.
function covers({ length, hashes }: MetalinkPieces, size: number): boolean {
  return Number.isInteger(length) && length > 0 && length < 2 ** 31 && size > 0 && hashes.length === 32 * Math.ceil(size / length)
}

function isText(text: string | undefined): boolean {
  return text === undefined || (text !== '' && text === text.trim() && text.isWellFormed() && !unprintable.test(text))
}

function isDate(at: number): boolean {
  return at >= 0 && at < Date.UTC(10_000, 0)
}

function must(holds: boolean, mistake: () => string): void {
  if (!holds) throw new Fault('internal', { what: `a metalink would have ${mistake()}` })
}
