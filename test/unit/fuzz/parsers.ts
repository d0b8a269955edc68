import { parseAuthorization } from '../../../src/access/credentials.ts'
import { parseHtpasswd } from '../../../src/access/htpasswd.ts'
import { createPolicy } from '../../../src/access/rules.ts'
import { parsePlace } from '../../../src/catalog/knowledge.ts'
import { matcher } from '../../../src/catalog/name-pattern.ts'
import { parseArguments } from '../../../src/cli/arguments.ts'
import { commands } from '../../../src/cli/commands.ts'
import { type Names, parseNameAt, parseSchemeName, parseUrl } from '../../../src/cli/named-reference.ts'
import { parseBlobTarget, parseTarget } from '../../../src/cli/reference.ts'
import { readEnvironment } from '../../../src/config/environment.ts'
import { parseDuration, parsePortion, parseSize } from '../../../src/config/units.ts'
import { createClientAddresses } from '../../../src/edge/client-address.ts'
import { chooseRanges, evaluate } from '../../../src/edge/conditions.ts'
import { parseLibraryTarget } from '../../../src/edge/library-target.ts'
import { createNamedChoice, parseWholeImage } from '../../../src/edge/named-choice.ts'
import { parseOciPath } from '../../../src/edge/oci-path.ts'
import { createOwnUrl } from '../../../src/edge/own-url.ts'
import { parseTarget as parseRequestTarget } from '../../../src/edge/target.ts'
import { createUpstreamChoice } from '../../../src/edge/upstream-choice.ts'
import { parseChallenges } from '../../../src/formats/auth-challenge.ts'
import { checksumOf, parseChecksums } from '../../../src/formats/checksums.ts'
import { parseWantDigest, parseWantReprDigest } from '../../../src/formats/digest-headers.ts'
import { parseDigestField, parseReprDigest } from '../../../src/formats/digest-reading.ts'
import { digestInHash } from '../../../src/formats/image-hash.ts'
import { parseJson, parseJsonObject } from '../../../src/formats/json.ts'
import { count, identifier, line, listOf, mapOf, readFields, readList, text, time } from '../../../src/formats/json-fields.ts'
import { parseLibraryImage, readLibraryImage } from '../../../src/formats/library-image.ts'
import { parseLibraryCollection, parseLibraryContainer, parseLibraryEntity } from '../../../src/formats/library-names.ts'
import { parseLibraryArch, parseLibraryName, parseLibraryPath } from '../../../src/formats/library-path.ts'
import { parseLibrarySearch, printLibrarySearch } from '../../../src/formats/library-search.ts'
import { parseLibraryError, parseOciRedirect, parseVersion } from '../../../src/formats/library-service.ts'
import { parseLinkField } from '../../../src/formats/link-fields.ts'
import { parseMetalink } from '../../../src/formats/metalink.ts'
import { parseLinks } from '../../../src/formats/metalink-headers.ts'
import { mistakeInForeignName, toMetalinkName } from '../../../src/formats/metalink-names.ts'
import { isDocumentUrl, isLinkUrl, readForeignUrl } from '../../../src/formats/metalink-urls.ts'
import { metalinkLimits, readXml } from '../../../src/formats/metalink-xml.ts'
import { parseMetalink3 } from '../../../src/formats/metalink3.ts'
import { parseMetalink4, printMetalink4 } from '../../../src/formats/metalink4.ts'
import { parseManifest } from '../../../src/formats/oci.ts'
import { decodeOnce } from '../../../src/formats/percent.ts'
import { parseRateLimit } from '../../../src/formats/rate-limit.ts'
import { parseKeyserver } from '../../../src/formats/remote-endpoint.ts'
import { parseRfc3339 } from '../../../src/formats/rfc3339.ts'
import { parseShubManifest, readShubAbout } from '../../../src/formats/shub.ts'
import { parseShubFindings, printShubFindings } from '../../../src/formats/shub-findings.ts'
import { parseShubPath, printShubPath } from '../../../src/formats/shub-path.ts'
import { parseShubQuery, printShubQuery } from '../../../src/formats/shub-query.ts'
import { parseShubCollection, parseShubCollections, parseShubLabels, parseShubSearch } from '../../../src/formats/shub-search.ts'
import { readSif } from '../../../src/formats/sif.ts'
import { type ReadAt, readObject } from '../../../src/formats/sif-objects.ts'
import { parseStaticManifest, parseStaticPath, parseStaticTags, printStaticPath } from '../../../src/formats/static-registry.ts'
import { digestOrUndefined, parseDigest } from '../../../src/model/digest.ts'
import type { FaultCode } from '../../../src/model/fault.ts'
import { bareMediaType, ociIndex, ociManifest } from '../../../src/model/media-type.ts'
import { parseContentRange, parseRange, satisfy } from '../../../src/model/range.ts'
import {
  parseFilePath,
  parseImageName,
  parseImagePointer,
  parsePointer,
  parseRepository,
  parseTag,
  type UpstreamId,
} from '../../../src/model/reference.ts'
import { normalizeRegistry } from '../../../src/model/registry-name.ts'
import { wildcard } from '../../../src/model/wildcard.ts'
import { believed, clip, parseJournal, printHeader, printState } from '../../../src/store/journal.ts'
import { blobIdAt, fileBesideAt, tagPlaceAt } from '../../../src/store/places.ts'
import {
  hasTimePlace,
  parseBlobFacts,
  parseNameFacts,
  parsePins,
  parseTagFacts,
  printNameFacts,
} from '../../../src/store/sidecar-format.ts'
import { parseSignature, printSignature } from '../../../src/store/signature-format.ts'
import { redactUrl } from '../../../src/system/redact.ts'
import { nameOf } from '../../../src/upstream/checksums-beside.ts'
import { nextOf } from '../../../src/upstream/oci-lists.ts'
import { sampleDocument, sampleSignature, somePieces } from '../../kit/metalink-documents.ts'
import { buildSif } from '../../kit/sif.ts'

/** Something that reads what others wrote. */
export interface Parser {
  readonly of: string // its file below src, and its name
  readonly kind: 'text' | 'json' | 'bytes' // of what it is given; bytes are made of the characters of a text below U+0100
  readonly seeds: readonly string[] // that are right
  readonly faults?: readonly FaultCode[] // that it may end with
  /** What it made of it; a promise where it takes more than a turn. */
  readonly read: (text: string, bytes: Buffer) => unknown
  readonly isOwn?: boolean // whoever runs the server writes it, and may take time
  /** Is a name or path that may be joined to a folder or a URL. */
  readonly paths?: (made: never) => readonly string[]
}

const hex = 'a1'.repeat(32)
const sha256 = `sha256:${hex}`
const json = (value: unknown) => JSON.stringify(value)
const at = 'https://up.example/x'

const upstream = <Kind extends string>(id: string, kind: Kind, url = `https://${id}.up.example`) => ({
  id: id as UpstreamId,
  kind,
  url: new URL(url),
  hosts: [] as string[],
})
const upstreams = [
  upstream('docker.io', 'oci'),
  upstream('lab', 'library'),
  upstream('hub', 'shub'),
  upstream('storage', 'static', 'https://pages.example/storage'),
  upstream('data', 'files', 'https://data.example/pub'),
] as const
const names: Names = {
  upstreams,
  defaults: { oci: 'docker.io' as UpstreamId, library: 'lab' as UpstreamId, shub: 'hub' as UpstreamId },
  own: ['forebay.example'],
  arch: 'amd64',
}
const references = [
  ...['docker://docker.io/library/alpine:3.20', 'alpine', `oras://docker.io/a/b@${sha256}`, `docker.io/a/b:v1@${sha256}`, sha256],
  ...['library://lab/e/c/n:1?arch=arm64', 'library://e/c/n', 'shub://hub/lab/tool:v1', `hub/lab/tool:v1@${'b2'.repeat(20)}`],
  ...['https://data.example/pub/a%20b/x.sif', 'https://forebay.example/files/data/a/b', 'data/a/b', 'storage/a/b:v1'],
  ...['https://pages.example/storage/a/b/manifests/v1', `https://forebay.example/blobs/sha256/${hex}`],
]
const ofReference: readonly FaultCode[] = [
  'request-invalid',
  'upstream-unknown',
  'name-invalid',
  'tag-invalid',
  'digest-invalid',
  'not-found',
]

const descriptor = (mediaType: string) => ({ mediaType, digest: sha256, size: 7, urls: ['https://m.example/b'] })
const manifest = json({
  schemaVersion: 2,
  mediaType: ociManifest,
  config: descriptor('application/vnd.oci.image.config.v1+json'),
  layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip')],
  subject: descriptor(ociManifest),
})
const index = json({
  schemaVersion: 2,
  mediaType: ociIndex,
  manifests: [{ ...descriptor(ociManifest), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }],
})
const libraryImage = {
  id: '1',
  hash: `sha256.${hex}`,
  size: 7,
  arch: 'amd64',
  uploaded: true,
  tags: ['a'],
  fingerprints: ['9FD33493B87BA1B2985B7992515C6A8733BFE17C'],
  description: 'two\nlines',
  containerStars: 1,
  createdAt: '2024-05-01T10:00:00Z',
}
const thing = { id: '2', name: 'n', description: 'd', createdAt: '2024-05-01T10:00:00+02:00' }
const container = {
  ...thing,
  imageTags: { a: '1' },
  archTags: { amd64: { a: '1' } },
  images: ['1'],
  downloadCount: 3,
  private: false,
}
const collection = { ...thing, entity: '3', entityName: 'e', containers: ['2'], private: true }
const entity = { ...thing, collections: ['4'] }
const shubManifest = json({
  image: 'https://storage.example/x.simg?X-Signature=a',
  name: 'n',
  tag: 't',
  commit: 'b2'.repeat(20),
  version: 'a1'.repeat(16),
  collection: 'c',
  frozen: false,
  add_date: '2018-03-04T12:00:00.000000Z',
})
const shubCollection = {
  id: 1,
  name: 'c',
  add_date: '2018-03-04T12:00:00Z',
  containers: [{ name: 'n', tag: 't', uri: 'c/n:t', detail: at }],
}
const searches = {
  collections: json({ count: 1, next: `${at}?page=2`, previous: null, results: [shubCollection] }),
  collection: json(shubCollection),
  images: json([{ id: 1, collection: 'c', name: 'n', tag: 't', metadata: null, frozen: true }]),
  labels: json([{ key: 'k', value: 'v', containers: ['c/n:t'] }]),
}
const staticImage = { digest: `md5:${'a1'.repeat(16)}`, size: 1 }
const staticManifest = json({
  schemaVersion: 2,
  config: staticImage,
  layers: [{ ...staticImage, sha256: hex, urls: [at, `${at}/2`] }],
})

const meta4 = printMetalink4(sampleDocument({ pieces: somePieces(2_500_000, 1_000_000), signature: sampleSignature }))
const meta3 = `<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/" generator="x" pubdate="Mon, 02 Jan 2006 15:04:05 GMT"><files>
<file name="x.iso"><size>3000000</size><verification><hash type="sha256">${hex}</hash><hash type="md5">${'a1'.repeat(16)}</hash>
<pieces length="2000000" type="sha256"><hash piece="0">${hex}</hash><hash piece="1">${hex}</hash></pieces></verification>
<resources maxconnections="1"><url type="http" location="US" preference="97">http://m.example/x.iso</url></resources></file></files></metalink>`

const sif = buildSif({
  arch: 'amd64',
  definition: 'bootstrap: docker\n',
  partitions: [{ bytes: Buffer.alloc(20, 1), name: 'root', role: 2 }],
  signed: [{ fingerprint: 'A1'.repeat(20) }],
  at: 1_700_000_000,
})
const sifText = sif.toString('latin1')
const rows = Array.from({ length: 4 }, (_, row) => sifText.slice(4096 + 585 * row, 4096 + 585 * (row + 1)))
const reading =
  (bytes: Buffer): ReadAt =>
  async (offset, length) => {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length > 1024 * 585)
      throw new Error(`${length} bytes at ${offset}`)
    return bytes.subarray(offset, offset + length)
  }

const nameFacts = printNameFacts({
  reference: { kind: 'file', upstream: 'data' as UpstreamId, path: parseFilePath('a%20b/x.sif') },
  claimed: parseDigest(sha256),
  id: undefined,
  size: 5,
  mediaType: 'application/x-sif',
  validators: { etag: '"x"', lastModified: 'Sat, 01 Nov 2025 10:00:00 GMT' },
  version: '"x" 5',
  urls: [at],
  about: { digestFrom: 'SHA256SUMS' },
  checkedAt: 1_780_000_000_000,
})
const imageFacts = json({
  ...JSON.parse(nameFacts),
  reference: { kind: 'image', upstream: 'lab', name: 'e/c/n', pointer: 'v1', arch: 'arm64' },
})
const journal =
  printHeader(sha256, 'boot') +
  printState({ held: [{ start: 0, end: 9 }], durable: [{ start: 0, end: 4 }], note: { size: 20, validator: '"v"' } })

const choose = createUpstreamChoice([upstreams[0]], 'docker.io' as UpstreamId)
const chooseNamed = createNamedChoice(upstreams, { library: 'lab' as UpstreamId })
const addresses = createClientAddresses(['127.0.0.0/8', '2001:db8::/32'])
const ownUrl = createOwnUrl(() => 'https://forebay.example', ['forebay.example:8443'])
const policy = createPolicy(
  { anonymous: 'pull', admins: [], rules: [{ upstream: 'data', repositories: ['a*/b*c/*/d', 'x'], allow: 'none' }] },
  ['data'],
)
const fieldsOf = (text: string): Record<string, string> => {
  const [range, ifRange, ifMatch, ifNoneMatch, since] = text.split('\n')
  return Object.fromEntries(
    Object.entries({
      range,
      'if-range': ifRange,
      'if-match': ifMatch,
      'if-none-match': ifNoneMatch,
      'if-modified-since': since,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
const version = { etag: `"${sha256}"`, lastModified: 'Sat, 01 Nov 2025 10:00:00 GMT' }

export const parsers: readonly Parser[] = [
  // model
  {
    of: 'model/digest.ts parseDigest',
    kind: 'text',
    seeds: [sha256, `md5:${'a1'.repeat(16)}`],
    faults: ['digest-invalid'],
    read: parseDigest,
    paths: (one: string) => [one],
  },
  {
    of: 'model/digest.ts digestOrUndefined',
    kind: 'text',
    seeds: [sha256],
    read: digestOrUndefined,
    paths: (one?: string) => [one ?? 'x'],
  },
  { of: 'model/media-type.ts bareMediaType', kind: 'text', seeds: [`${ociManifest}; charset=utf-8`], read: bareMediaType },
  {
    of: 'model/range.ts parseRange',
    kind: 'text',
    seeds: ['bytes=0-9,20-,-5', 'bytes = 1-2'],
    read: (text) => parseRange(text)?.map((one) => satisfy(one, 100)),
  },
  { of: 'model/range.ts parseContentRange', kind: 'text', seeds: ['bytes 0-99/200', 'bytes 5-9/*'], read: parseContentRange },
  {
    of: 'model/reference.ts parseRepository',
    kind: 'text',
    seeds: ['library/alpine', 'a/b_c/d__e'],
    faults: ['name-invalid'],
    read: parseRepository,
    paths: (one: string) => [one],
  },
  {
    of: 'model/reference.ts parseTag',
    kind: 'text',
    seeds: ['v1.2', '_x-y'],
    faults: ['tag-invalid'],
    read: parseTag,
    paths: (one: string) => [one],
  },
  {
    of: 'model/reference.ts parseImageName',
    kind: 'text',
    seeds: ['e/c/n', 'Lab/Tool.x'],
    faults: ['name-invalid'],
    read: parseImageName,
    paths: (one: string) => [one],
  },
  {
    of: 'model/reference.ts parseImagePointer',
    kind: 'text',
    seeds: ['v1', `latest@${'b2'.repeat(20)}`],
    faults: ['tag-invalid'],
    read: parseImagePointer,
    paths: (one: string) => [one],
  },
  {
    of: 'model/reference.ts parseFilePath',
    kind: 'text',
    seeds: ['a%20b/x.sif', 'a/b/', 'ü/x'],
    faults: ['name-invalid'],
    read: parseFilePath,
    paths: (one: string) => [one],
  },
  {
    of: 'model/reference.ts parsePointer',
    kind: 'text',
    seeds: ['v1', sha256],
    faults: ['tag-invalid', 'digest-invalid'],
    read: parsePointer,
    paths: (one: string) => [one],
  },
  {
    of: 'model/registry-name.ts normalizeRegistry',
    kind: 'text',
    seeds: ['docker.io:443', 'Index.docker.io'],
    read: normalizeRegistry,
  },
  {
    of: 'model/wildcard.ts wildcard',
    kind: 'text',
    seeds: ['lab/*a*b*', '*'],
    read: (text) => [wildcard(text)('lab/aab'), wildcard('*a*a*a*a*a*a*b')(text)],
  },
  // formats: header fields and small texts
  {
    of: 'formats/auth-challenge.ts parseChallenges',
    kind: 'text',
    seeds: ['Bearer realm="https://a.example/t",service="s", Basic realm=x', 'Negotiate abc=='],
    read: (text) => parseChallenges([text, text]),
  },
  {
    of: 'formats/checksums.ts parseChecksums',
    kind: 'text',
    seeds: [`${hex}  x.sif\n${hex} *./a/y\n`, `SHA256 (x.sif) = ${hex}`, `\\${hex}  a\\nb\r\n`, hex],
    read: (text) => checksumOf(parseChecksums(text), 'x.sif'),
  },
  {
    of: 'formats/digest-headers.ts parseWantDigest',
    kind: 'text',
    seeds: ['SHA-512;q=0.5, md5, sha-256;q=1'],
    read: parseWantDigest,
  },
  {
    of: 'formats/digest-headers.ts parseWantReprDigest',
    kind: 'text',
    seeds: ['sha-512=3, sha-256=10'],
    read: parseWantReprDigest,
  },
  {
    of: 'formats/digest-reading.ts parseDigestField',
    kind: 'text',
    seeds: [`SHA-256=${Buffer.from(hex, 'hex').toString('base64')},MD5=x`],
    read: (text) => parseDigestField([text, text]),
  },
  {
    of: 'formats/digest-reading.ts parseReprDigest',
    kind: 'text',
    seeds: [`sha-256=:${Buffer.from(hex, 'hex').toString('base64')}:;a=b`],
    read: (text) => parseReprDigest([text]),
  },
  { of: 'formats/image-hash.ts digestInHash', kind: 'text', seeds: [`sha256.${hex}`, 'a1'.repeat(16)], read: digestInHash },
  {
    of: 'formats/link-fields.ts parseLinkField',
    kind: 'text',
    seeds: [`<${at}>; rel=duplicate; pri=1; geo=de, <x.meta4>; rel="describedby next"; type="a/b"`],
    read: parseLinkField,
  },
  {
    of: 'formats/metalink-headers.ts parseLinks',
    kind: 'text',
    seeds: [`<${at}>; rel=duplicate; pri=1; geo=de, <x.meta4>; rel="describedby next"; type="a/b"`],
    read: (text) => parseLinks([text], at),
  },
  {
    of: 'formats/metalink-names.ts mistakeInForeignName',
    kind: 'text',
    seeds: ['a/b.iso', 'ü.iso'],
    read: (text) => (mistakeInForeignName(text) === undefined ? text : 'refused'),
    paths: (name: string) => [name.replaceAll('%', '_')],
  },
  {
    of: 'formats/metalink-names.ts toMetalinkName',
    kind: 'text',
    seeds: ['a/b.iso', 'ü.iso'],
    read: toMetalinkName,
    paths: (name: string) => [name],
  },
  {
    of: 'formats/metalink-urls.ts readForeignUrl',
    kind: 'text',
    seeds: ['https://u.example:8443/a/b?c#d', '../x', 'http://[::1]/'],
    read: (text) => [readForeignUrl(text), readForeignUrl(text, at), isLinkUrl(text), isDocumentUrl(text)],
  },
  { of: 'formats/percent.ts decodeOnce', kind: 'text', seeds: ['a%20b', 'a%2fb%41'], read: decodeOnce },
  {
    of: 'formats/rate-limit.ts parseRateLimit',
    kind: 'text',
    seeds: [
      '76;w=21600\n100;w=21600\n50',
      '\n\n\n"default";r=50;t=30\n"default";q=100;w=60',
      '\n\n\nlimit=100, remaining=50, reset=30',
    ],
    read: (text) => {
      const lines = text.split('\n')
      const fields = ['ratelimit-remaining', 'ratelimit-limit', 'ratelimit-reset', 'ratelimit', 'ratelimit-policy']
      return parseRateLimit((name) => lines.slice(fields.indexOf(name)).slice(0, 1))
    },
  },
  {
    of: 'formats/rfc3339.ts parseRfc3339',
    kind: 'text',
    seeds: ['2024-05-01T10:00:00.5+02:00', '2024-05-01T10:00:00Z'],
    read: parseRfc3339,
  },
  {
    of: 'formats/library-path.ts parseLibraryPath',
    kind: 'text',
    seeds: ['e/c/n:1', '//n', `e/c/n:sha256.${hex}`],
    faults: ['name-invalid', 'tag-invalid', 'not-found'],
    read: parseLibraryPath,
    paths: (one: { name: string; pointer: string }) => [one.name, one.pointer],
  },
  {
    of: 'formats/library-path.ts parseLibraryName',
    kind: 'text',
    seeds: ['e/c/n', '//n/'],
    faults: ['name-invalid'],
    read: parseLibraryName,
    paths: (one: string) => [one],
  },
  {
    of: 'formats/library-path.ts parseLibraryArch',
    kind: 'text',
    seeds: ['arch=amd64', 'a=b&arch%3Darm64'],
    faults: ['request-invalid'],
    read: parseLibraryArch,
  },
  {
    of: 'formats/shub-path.ts parseShubPath',
    kind: 'text',
    seeds: ['lab/tool:v1', `lab/tool@${'b2'.repeat(20)}`],
    faults: ['name-invalid', 'tag-invalid'],
    read: (text) => {
      const path = parseShubPath(text)
      return { ...path, again: printShubPath(path) }
    },
    paths: (one: { name: string; pointer: string; again: string }) => [one.name, one.pointer, one.again],
  },
  {
    of: 'formats/shub-query.ts parseShubQuery',
    kind: 'text',
    seeds: ['collections/', 'collection/lab', 'container/search/collection/lab/name/tool/tag/v1/', 'labels/search/a/key/b/value'],
    read: (text) => {
      const query = parseShubQuery(text)
      return query && wellFormed(Object.values(query)) ? printShubQuery(query) : ''
    },
  },
  {
    of: 'formats/static-registry.ts parseStaticPath',
    kind: 'text',
    seeds: ['a/b/manifests/v1/', 'a/blobs/v1', 'a/tags'],
    faults: ['name-invalid', 'tag-invalid'],
    read: (text) => {
      const path = parseStaticPath(text)
      return path && printStaticPath(path)
    },
    paths: (one?: string) => [one ?? 'x'],
  },
  // formats: documents
  {
    of: 'formats/json.ts parseJson',
    kind: 'json',
    seeds: [manifest],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseJson(bytes, 'it'),
  },
  {
    of: 'formats/json.ts parseJsonObject',
    kind: 'json',
    seeds: [manifest],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseJsonObject(bytes, 'it'),
  },
  {
    of: 'formats/json-fields.ts readFields',
    kind: 'json',
    seeds: [json({ a: 'x', b: 'y\nz', c: 5, d: '2024-05-01T10:00:00Z', e: ['x', 7], f: { g: 'h' } })],
    faults: ['upstream-invalid'],
    read: (_, bytes) =>
      readFields<{ a?: string; b?: string; c?: number; d?: number; e?: readonly string[]; f?: ReadonlyMap<string, string> }>(
        parseJsonObject(bytes, 'it'),
        { a: line, b: text, c: count, d: time, e: listOf(identifier), f: mapOf(line, line) },
      ),
  },
  {
    of: 'formats/json-fields.ts readList',
    kind: 'json',
    seeds: [json([1, 'a', null])],
    faults: ['upstream-invalid'],
    read: (_, bytes) => readList(parseJson(bytes, 'it'), identifier.read),
  },
  {
    of: 'formats/oci.ts parseManifest',
    kind: 'json',
    seeds: [manifest, index],
    faults: ['upstream-invalid'],
    read: (text, bytes) => parseManifest(bytes, text.length % 2 === 0 ? undefined : ociManifest),
  },
  {
    of: 'formats/library-image.ts parseLibraryImage',
    kind: 'json',
    seeds: [json({ data: libraryImage })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseLibraryImage(bytes),
  },
  {
    of: 'formats/library-image.ts readLibraryImage',
    kind: 'json',
    seeds: [json(libraryImage)],
    faults: ['upstream-invalid'],
    read: (_, bytes) => readLibraryImage(parseJson(bytes, 'it')),
  },
  {
    of: 'formats/library-names.ts parseLibraryEntity',
    kind: 'json',
    seeds: [json({ data: entity })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseLibraryEntity(bytes),
  },
  {
    of: 'formats/library-names.ts parseLibraryCollection',
    kind: 'json',
    seeds: [json({ data: collection })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseLibraryCollection(bytes),
  },
  {
    of: 'formats/library-names.ts parseLibraryContainer',
    kind: 'json',
    seeds: [json({ data: container })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseLibraryContainer(bytes),
  },
  {
    of: 'formats/library-search.ts parseLibrarySearch',
    kind: 'json',
    seeds: [json({ data: { entity: [entity], collection: [collection], container: [container], image: [libraryImage] } })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => printLibrarySearch(parseLibrarySearch(bytes)),
  },
  {
    of: 'formats/library-service.ts parseVersion',
    kind: 'json',
    seeds: [json({ data: { version: 'v0.9.0', apiVersion: '2.0.0-alpha.1' } })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseVersion(bytes),
  },
  {
    of: 'formats/library-service.ts parseLibraryError',
    kind: 'json',
    seeds: [
      json({ error: { code: 404, message: 'no' } }),
      json({ errors: [{ title: 'F', detail: 'no' }], detail: 'x', message: 'y' }),
    ],
    read: (_, bytes) => parseLibraryError(bytes),
  },
  {
    of: 'formats/library-service.ts parseOciRedirect',
    kind: 'json',
    seeds: [json({ url: 'https://r.example/', token: 't', name: 'a/b' })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseOciRedirect(bytes),
    paths: ({ name }: { name?: string }) => [name ?? 'x'],
  },
  {
    of: 'formats/remote-endpoint.ts parseKeyserver',
    kind: 'json',
    seeds: [json({ keystoreAPI: { uri: 'https://k.example/x' } }), json({ keyserverAPI: { uri: 'https://k.example' } })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseKeyserver(bytes),
  },
  {
    of: 'formats/shub.ts parseShubManifest',
    kind: 'json',
    seeds: [shubManifest, '{}', '404'],
    faults: ['upstream-invalid', 'upstream-limited'],
    read: (_, bytes) => parseShubManifest(bytes),
  },
  {
    of: 'formats/shub.ts readShubAbout',
    kind: 'json',
    seeds: [json({ id: '1', version: 'v', frozen: true, add_date: '2018-03-04T12:00:00Z' })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => readShubAbout(parseJsonObject(bytes, 'it')),
  },
  ...(['collections', 'collection', 'images', 'labels'] as const).map(
    (kind): Parser => ({
      of: `formats/shub-findings.ts parseShubFindings ${kind}`,
      kind: 'json',
      seeds: [searches[kind], '{}'],
      faults: ['upstream-invalid'],
      read: (_, bytes) => printShubFindings(parseShubFindings(kind, bytes).findings),
    }),
  ),
  {
    of: 'formats/shub-search.ts parseShubCollections',
    kind: 'json',
    seeds: [searches.collections],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseShubCollections(bytes),
  },
  {
    of: 'formats/shub-search.ts parseShubCollection',
    kind: 'json',
    seeds: [searches.collection],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseShubCollection(bytes),
  },
  {
    of: 'formats/shub-search.ts parseShubSearch',
    kind: 'json',
    seeds: [searches.images],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseShubSearch(bytes),
  },
  {
    of: 'formats/shub-search.ts parseShubLabels',
    kind: 'json',
    seeds: [searches.labels],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseShubLabels(bytes),
  },
  {
    of: 'formats/static-registry.ts parseStaticManifest',
    kind: 'json',
    seeds: [staticManifest],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseStaticManifest(bytes),
  },
  {
    of: 'formats/static-registry.ts parseStaticTags',
    kind: 'json',
    seeds: [json({ name: 'a/b', tags: ['v1', 'README.md'] })],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseStaticTags(bytes),
  },
  {
    of: 'formats/metalink.ts parseMetalink',
    kind: 'text',
    seeds: [meta4, meta3],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseMetalink(bytes, at).files.map(({ name }) => name),
    paths: (all: readonly string[]) => all.map((name) => name.replaceAll('%', '_')),
  },
  {
    of: 'formats/metalink4.ts parseMetalink4',
    kind: 'text',
    seeds: [meta4],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseMetalink4(bytes, at),
  },
  {
    of: 'formats/metalink3.ts parseMetalink3',
    kind: 'text',
    seeds: [meta3],
    faults: ['upstream-invalid'],
    read: (_, bytes) => parseMetalink3(bytes, at),
  },
  {
    of: 'formats/metalink-xml.ts readXml',
    kind: 'text',
    seeds: ['<a xmlns="u" b="c"><d>e</d><!-- x --><f><![CDATA[g]]></f></a>', meta3],
    faults: ['upstream-invalid'],
    read: (_, bytes) => readXml(bytes, at, metalinkLimits),
  },
  {
    of: 'formats/sif.ts readSif',
    kind: 'bytes',
    seeds: [sifText.slice(0, 128), sifText],
    faults: ['upstream-invalid'],
    read: (_, bytes) => readSif(reading(bytes), bytes.length),
  },
  {
    of: 'formats/sif-objects.ts readObject',
    kind: 'bytes',
    seeds: rows,
    faults: ['upstream-invalid'],
    read: (_, bytes) =>
      readObject(bytes.length < 585 ? Buffer.concat([bytes, Buffer.alloc(585)], 585) : bytes, reading(sif), undefined),
  },
  // what lies in the store
  {
    of: 'store/sidecar-format.ts parseTagFacts',
    kind: 'json',
    seeds: [json({ digest: sha256, mediaType: 'a/b', size: 5, checkedAt: 5 })],
    read: parseTagFacts,
  },
  {
    of: 'store/sidecar-format.ts parseNameFacts',
    kind: 'json',
    seeds: [nameFacts, imageFacts],
    read: parseNameFacts,
    paths: (facts?: { reference: { path?: string; name?: string; pointer?: string } }) => [
      facts?.reference.path ?? facts?.reference.name ?? 'x',
      facts?.reference.pointer ?? 'x',
    ],
  },
  { of: 'store/sidecar-format.ts parsePins', kind: 'json', seeds: [json({ pins: ['a/*', 'b'] })], read: parsePins },
  {
    of: 'store/sidecar-format.ts parseBlobFacts',
    kind: 'json',
    seeds: [json({ mediaType: 'a/b', repositories: ['hub/a/b'], isPublic: true, aliases: [sha256], createdAt: 0, size: 4 })],
    read: parseBlobFacts,
  },
  { of: 'store/sidecar-format.ts hasTimePlace', kind: 'text', seeds: [nameFacts.slice(0, 40)], read: hasTimePlace },
  {
    of: 'store/signature-format.ts parseSignature',
    kind: 'text',
    seeds: [printSignature({ armored: sampleSignature, by: 'site', keys: ['A1'.repeat(20)], keptAt: 5 })],
    read: parseSignature,
  },
  {
    of: 'store/journal.ts parseJournal',
    kind: 'text',
    seeds: [journal],
    read: (text) => {
      const read = parseJournal(text)
      return read && clip(believed(read, { bootId: 'boot', size: 10 }), 5)
    },
  },
  {
    of: 'store/places.ts blobIdAt',
    kind: 'text',
    seeds: [`a1/${hex}`, `a1/${hex}.json`],
    read: (text) => [blobIdAt(text), fileBesideAt(text)],
  },
  {
    of: 'store/places.ts tagPlaceAt',
    kind: 'text',
    seeds: ['docker.io/library/alpine/_tags/3.20.json', 'r.example%3A5000/a/_tags/b.json'],
    read: tagPlaceAt,
    paths: (place?: { repository: string; tag: string }) => [place?.repository ?? 'x', place?.tag ?? 'x'],
  },
  // settings, rights, requests
  { of: 'config/units.ts parseDuration', kind: 'text', seeds: ['90s', '1.5h', '0'], read: parseDuration },
  { of: 'config/units.ts parseSize', kind: 'text', seeds: ['64KiB', '500 GB'], read: parseSize },
  { of: 'config/units.ts parsePortion', kind: 'text', seeds: ['10%', '2.5 %'], read: parsePortion },
  {
    of: 'config/environment.ts readEnvironment',
    isOwn: true,
    kind: 'text',
    seeds: ['OUTBOUND_NO_PROXY=[a, b]', 'LOG_LEVEL=debug', 'LOG_ACCESS={a: &x [*x]}'],
    read: (text) => readEnvironment({ [`FOREBAY_${text.split('=')[0]}`]: text.slice(text.indexOf('=') + 1) }, []),
  },
  {
    of: 'access/credentials.ts parseAuthorization',
    kind: 'text',
    seeds: [`Basic ${Buffer.from('a:b').toString('base64')}`, 'Bearer abc'],
    read: parseAuthorization,
  },
  {
    of: 'access/htpasswd.ts parseHtpasswd',
    kind: 'text',
    seeds: [`alice:$2y$10$${'a'.repeat(53)}\n# x\nbob:$2b$04$${'b'.repeat(53)}\r\n`],
    read: (text) => parseHtpasswd(text, 'users'),
  },
  {
    of: 'access/rules.ts createPolicy',
    kind: 'text',
    seeds: ['a/b%20c/x/d', 'x'],
    faults: ['name-invalid'],
    read: (text) => policy.mayPull({ kind: 'anonymous' }, { upstream: 'data', repository: parseFilePath(text) }),
  },
  {
    of: 'catalog/name-pattern.ts matcher',
    kind: 'text',
    seeds: ['lab/*', 'tool'],
    read: (text) => [matcher(text)('lab/tool'), matcher('*a*a*a*a*a*b')(text)],
  },
  { of: 'catalog/knowledge.ts parsePlace', kind: 'text', seeds: ['hub/a/b'], read: parsePlace },
  {
    of: 'edge/target.ts parseTarget',
    kind: 'text',
    seeds: ['/v2/a/b?c=d', 'http://forebay.example/v2/', '*'],
    faults: ['request-invalid'],
    read: (text) =>
      parseRequestTarget(
        { url: text, headers: {}, socket: { localAddress: '127.0.0.1', localPort: 80 } } as never,
        (host) => host === 'forebay.example',
      ),
  },
  {
    of: 'edge/oci-path.ts parseOciPath',
    kind: 'text',
    seeds: ['/v2/a/b/manifests/v1', `/v2/a/blobs/${sha256}`, '/v2/a/tags/list', `/v2/a/referrers/${sha256}`],
    read: parseOciPath,
  },
  {
    of: 'edge/library-target.ts parseLibraryTarget',
    kind: 'text',
    seeds: ['/library/lab/v1/images/e/c/n', '//v1/search'],
    read: parseLibraryTarget,
  },
  {
    of: 'edge/named-choice.ts parseWholeImage',
    kind: 'text',
    seeds: ['lab/e/c/n:1', 'storage/a/b'],
    faults: ['name-invalid', 'tag-invalid'],
    read: (text) => parseWholeImage(text, upstreams),
    paths: (one?: { name: string }) => [one?.name ?? 'x'],
  },
  {
    of: 'edge/named-choice.ts createNamedChoice',
    kind: 'text',
    seeds: ['lab', 'hub'],
    faults: ['upstream-unknown'],
    read: (text) => chooseNamed('library', text),
  },
  {
    of: 'edge/upstream-choice.ts createUpstreamChoice',
    kind: 'text',
    seeds: ['docker.io/alpine\ndocker.io\ndocker.io', 'a/b\n\n'],
    faults: ['upstream-unknown', 'name-invalid', 'request-invalid'],
    read: (text) => {
      const [name = '', namespace, host = ''] = text.split('\n')
      return choose({ name, namespaces: namespace ? [namespace] : [], host })
    },
    paths: (place: { repository: string }) => [place.repository],
  },
  {
    of: 'edge/conditions.ts chooseRanges',
    kind: 'text',
    seeds: [`bytes=0-9,-5\n"${sha256}"\n*\nW/"x", "y"\n${version.lastModified}`],
    read: (text) => [evaluate(fieldsOf(text), version), chooseRanges(fieldsOf(text), version, 100)],
  },
  {
    of: 'edge/client-address.ts createClientAddresses',
    kind: 'text',
    seeds: ['1.2.3.4, [2001:db8::1]:5, 127.0.0.1', '::ffff:1.2.3.4'],
    read: (text) =>
      addresses.of({
        socket: { remoteAddress: '127.0.0.1' },
        headers: { 'x-forwarded-for': text, 'x-forwarded-proto': text },
      } as never),
  },
  { of: 'edge/own-url.ts createOwnUrl', kind: 'text', seeds: ['forebay.example:8443'], read: ownUrl },
  // what upstreams say
  {
    of: 'upstream/oci-lists.ts nextOf',
    kind: 'text',
    seeds: ['</v2/a/tags/list?n=5&last=x>; rel="next"', '<x>; rel=prev, <y>; rel=next'],
    read: (text) => nextOf({ headers: () => [text], url: new URL(at) })?.href,
  },
  {
    of: 'upstream/checksums-beside.ts nameOf',
    kind: 'text',
    seeds: ['/a/b%20c.sif'],
    read: (text) => nameOf(new URL(`https://h/${text}`)),
  },
  {
    of: 'system/redact.ts redactUrl',
    kind: 'text',
    seeds: ['https://u:p@h.example/a?token=b#c'],
    read: (text) => {
      const url = URL.parse(text)
      return url && redactUrl(url)
    },
  },
  // the command line
  {
    of: 'cli/arguments.ts parseArguments',
    isOwn: true,
    kind: 'text',
    seeds: ['get docker.io/a/b --config x', 'images --help', 'tokens create -- x', 'pin --unpin a*'],
    read: (text) => parseArguments(text.split(' '), commands),
  },
  {
    of: 'cli/reference.ts parseTarget',
    kind: 'text',
    seeds: references,
    faults: ofReference,
    read: (text) => parseTarget(text, names),
    paths: namedIn,
  },
  {
    of: 'cli/reference.ts parseBlobTarget',
    kind: 'text',
    seeds: references,
    faults: ofReference,
    read: (text) => parseBlobTarget(text, names),
    paths: namedIn,
  },
  {
    of: 'cli/named-reference.ts parseSchemeName',
    kind: 'text',
    seeds: ['lab.up.example/e/c/n:1?arch=arm64', 'e/c/n'],
    faults: ofReference,
    read: (text) => parseSchemeName('library', text, names),
    paths: namedIn,
  },
  {
    of: 'cli/named-reference.ts parseNameAt',
    kind: 'text',
    seeds: ['a/b:v1', 'a%20b/c'],
    faults: ofReference,
    read: (text) => parseNameAt(upstreams[text.length % 2 === 0 ? 4 : 3], text, names),
    paths: namedIn,
  },
  {
    of: 'cli/named-reference.ts parseUrl',
    kind: 'text',
    seeds: references.filter((one) => one.startsWith('https:')),
    faults: ofReference,
    read: (text) => parseUrl(text, names),
    paths: namedIn,
  },
]

function namedIn(target: { repository?: string; name?: string; path?: string }): readonly string[] {
  return [target.repository ?? target.name ?? target.path ?? 'x']
}

function wellFormed(values: readonly (string | undefined)[]): boolean {
  return values.every((value) => value?.isWellFormed() ?? true)
}
