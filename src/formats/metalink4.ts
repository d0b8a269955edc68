import { algorithmOf, type Digest, hexOf } from '../model/digest.ts'
import { hashNames } from './hash-names.ts'
import { checkDocument } from './metalink-checks.ts'
import {
  type ForeignFile,
  type ForeignMetalink,
  lowestPriority,
  type MetalinkDocument,
  type MetalinkFile,
  type MetalinkPieces,
  type MetalinkUrl,
  pgpSignatureType,
} from './metalink-document.ts'
import {
  beginReading,
  childOf,
  childrenOf,
  digestsIn,
  filesIn,
  piecesIn,
  type Reading,
  signatureOf,
  sizeIn,
  textIn,
  urlsIn,
  wholeNumber,
} from './metalink-reading.ts'
import { readForeignUrl } from './metalink-urls.ts'
import { type MetalinkLimits, metalinkLimits, readXml, type XmlElement } from './metalink-xml.ts'
import { parseRfc3339 } from './rfc3339.ts'

export const metalink4Namespace = 'urn:ietf:params:xml:ns:metalink'

/**
 * Prints a document: the same text for the same document, valid against the RFC's schema. Of the digests it prints sha256,
 * then sha512 if there; the others prove nothing.
 *
 * @throws Fault 'internal' for a document that clients would refuse or misread, see metalink-checks.ts
 * @see RFC 5854
 */
export function printMetalink4(document: MetalinkDocument): string {
  checkDocument(document)
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="${metalink4Namespace}">\n`
  text += `  <generator>${document.generator}</generator>\n`
  text += `  <origin dynamic="true">${escapeXml(document.origin)}</origin>\n`
  text += `  <published>${printDate(document.published)}</published>\n`
  text += `  <updated>${printDate(document.updated)}</updated>\n`
  for (const file of document.files) text += printFile(file)
  return `${text}</metalink>\n`
}

function printFile(file: MetalinkFile): string {
  let text = `  <file name="${file.name}">\n`
  if (file.identity !== undefined) text += `    <identity>${escapeXml(file.identity)}</identity>\n`
  if (file.version !== undefined) text += `    <version>${escapeXml(file.version)}</version>\n`
  text += `    <size>${file.size}</size>\n`
  // A client that meets sha-512 first may cut it short and never agree.
  text += printHash(file.digests, 'sha256') + printHash(file.digests, 'sha512')
  if (file.pieces !== undefined) text += printPieces(file.pieces)
  for (const url of file.urls) text += printUrl(url)
  if (file.signature !== undefined)
    text += `    <signature mediatype="${pgpSignatureType}">${escapeXml(file.signature)}</signature>\n`
  return `${text}  </file>\n`
}

function printHash(digests: readonly Digest[], algorithm: 'sha256' | 'sha512'): string {
  const digest = digests.find((candidate) => algorithmOf(candidate) === algorithm)
  return digest === undefined ? '' : `    <hash type="${hashNames[algorithm]}">${hexOf(digest)}</hash>\n`
}

function printPieces({ length, algorithm, hashes }: MetalinkPieces): string {
  const hex = Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength).toString('hex')
  let text = `    <pieces length="${length}" type="${hashNames[algorithm]}">\n`
  for (let at = 0; at < hex.length; at += 64) text += `      <hash>${hex.slice(at, at + 64)}</hash>\n`
  return `${text}    </pieces>\n`
}

function printUrl({ url, priority, country }: MetalinkUrl): string {
  const location = country === undefined ? '' : `location="${country}" `
  return `    <url ${location}priority="${priority}">${escapeXml(url)}</url>\n`
}

function printDate(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

function escapeXml(text: string): string {
  return /[&<>]/.test(text) ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') : text
}

/**
 * Reads a document that somebody else wrote, by the letter where it matters and forgiving where clients are.
 *
 * @param from the URL it came from, for people; without secrets
 * @throws Fault 'upstream-invalid' for anything that is not a metalink 4 or exceeds a limit
 */
export function parseMetalink4(bytes: Uint8Array, from: string, limits: MetalinkLimits = metalinkLimits): ForeignMetalink {
  return metalink4In(readXml(bytes, from, limits), from, limits)
}

/** The same, from a root that was read already. */
export function metalink4In(root: XmlElement, from: string, limits: MetalinkLimits): ForeignMetalink {
  const reading = beginReading(from, limits)
  if (root.name !== 'metalink' || root.namespace !== metalink4Namespace)
    throw reading.invalid('it is not a metalink 4 document: the root or its namespace is another')
  const origin = readForeignUrl(textIn(root, 'origin') ?? '')
  return {
    generator: textIn(root, 'generator'),
    origin: origin.outcome === 'usable' ? origin.url : undefined,
    published: dateIn(root, 'published'),
    updated: dateIn(root, 'updated'),
    files: filesIn(childrenOf(root, 'file'), reading, (element, name) => readFile(element, name, reading)),
    ignored: reading.ignored,
  }
}

function readFile(file: XmlElement, name: string, reading: Reading): ForeignFile {
  const size = sizeIn(file, reading)
  const signature = childOf(file, 'signature')
  return {
    name,
    size,
    digests: digestsIn(file, reading),
    pieces: piecesIn(file, size, reading),
    urls: urlsIn(childrenOf(file, 'url'), reading, priorityOf),
    identity: textIn(file, 'identity'),
    version: textIn(file, 'version'),
    signature: signature?.attributes.get('mediatype') === pgpSignatureType ? signatureOf(signature.text) : undefined,
  }
}

function priorityOf(url: XmlElement): number {
  const priority = wholeNumber(url.attributes.get('priority'))
  return priority !== undefined && priority > 0 && priority <= lowestPriority ? priority : lowestPriority
}

function dateIn(root: XmlElement, name: string): number | undefined {
  const text = textIn(root, name)
  return text === undefined ? undefined : parseRfc3339(text)
}
