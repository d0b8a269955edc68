import { type ForeignFile, type ForeignMetalink, lowestPriority } from './metalink-document.ts'
import {
  beginReading,
  childOf,
  childrenOf,
  digestsIn,
  filesIn,
  piecesIn,
  plain,
  type Reading,
  signatureOf,
  sizeIn,
  textIn,
  urlsIn,
  wholeNumber,
} from './metalink-reading.ts'
import { readForeignUrl } from './metalink-urls.ts'
import { type MetalinkLimits, metalinkLimits, readXml, type XmlElement } from './metalink-xml.ts'

export const metalink3Namespace = 'http://www.metalinker.org/'

/**
 * Reads the older dialect, which Fedora's mirror lists still use: hashes under `verification`, places under `resources`
 * with a preference of 100 (best) to 1, dates and generator as attributes of the root.
 *
 * @param from the URL it came from, for people; without secrets
 * @throws Fault 'upstream-invalid' for anything that is not a metalink 3 or exceeds a limit
 * @see Metalink 3.0 specification
 */
export function parseMetalink3(bytes: Uint8Array, from: string, limits: MetalinkLimits = metalinkLimits): ForeignMetalink {
  return metalink3In(readXml(bytes, from, limits), from, limits)
}

/** The same, from a root that was read already. */
export function metalink3In(root: XmlElement, from: string, limits: MetalinkLimits): ForeignMetalink {
  const reading = beginReading(from, limits)
  if (root.name !== 'metalink' || root.namespace !== metalink3Namespace)
    throw reading.invalid('it is not a metalink 3 document: the root or its namespace is another')
  const files = childrenOf(root, 'files').flatMap((list) => childrenOf(list, 'file'))
  const origin = readForeignUrl(root.attributes.get('origin') ?? '')
  return {
    generator: plain(root.attributes.get('generator')),
    origin: origin.outcome === 'usable' ? origin.url : undefined,
    published: dateOf(root.attributes.get('pubdate')),
    updated: dateOf(root.attributes.get('refreshdate')),
    files: filesIn(files, reading, (element, name) => readFile(element, name, reading)),
    ignored: reading.ignored,
  }
}

function readFile(file: XmlElement, name: string, reading: Reading): ForeignFile {
  const size = sizeIn(file, reading)
  const verification = childOf(file, 'verification')
  const signature =
    verification && childrenOf(verification, 'signature').find(({ attributes }) => attributes.get('type') === 'pgp')
  const resources = childrenOf(file, 'resources').flatMap((list) => childrenOf(list, 'url'))
  return {
    name,
    size,
    digests: verification ? digestsIn(verification, reading) : [],
    pieces: verification && piecesIn(verification, size, reading),
    urls: urlsIn(withoutTorrents(resources), reading, priorityOf),
    identity: textIn(file, 'identity'),
    version: textIn(file, 'version'),
    signature: signature && signatureOf(signature.text),
  }
}

/** An http URL of type `bittorrent` gives a torrent, not the file. */
function withoutTorrents(urls: readonly XmlElement[]): readonly XmlElement[] {
  return urls.filter(({ attributes }) => attributes.get('type')?.toLowerCase() !== 'bittorrent')
}

function priorityOf(url: XmlElement): number {
  const preference = wholeNumber(url.attributes.get('preference'))
  return preference === undefined ? lowestPriority : 101 - Math.min(Math.max(preference, 1), 100)
}

function dateOf(text: string | undefined): number | undefined {
  const at = text !== undefined && rfc822.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

const rfc822 = /^(?:[A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d(?::\d\d)? (?:GMT|UTC?|[+-]\d{4})$/
