import { asBlobId, type BlobId, type Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { digestInHash, printHash } from './image-hash.ts'
import { invalidDocument, isJsonObject, type Json, parseJsonObject } from './json.ts'
import {
  count,
  type Field,
  type Fields,
  flag,
  identifier,
  line,
  listOf,
  printFields,
  readFields,
  shaped,
  text,
  time,
} from './json-fields.ts'

/** What a library says of one image. @see container-library-client client/models.go, Image */
export interface LibraryImage {
  readonly id?: string
  /** Sha256 or md5; undefined where the server does not know either. Clients of ours are told of a sha256 only. */
  readonly digest?: Digest
  /** Bytes, if the server is to be believed: some count megabytes. A hint, never to be told to a client. */
  readonly size?: number
  readonly arch?: string // as Go names it
  readonly uploaded?: boolean // false: it has no file yet
  readonly signed?: boolean
  readonly encrypted?: boolean
  readonly tags?: readonly string[]
  readonly fingerprints?: readonly string[] // of the keys it is signed with, hex in capitals
  readonly description?: string
  readonly entity?: string // an id, as are the next two
  readonly collection?: string
  readonly container?: string
  readonly entityName?: string
  readonly collectionName?: string
  readonly containerName?: string
  readonly containerDescription?: string
  readonly containerStars?: number
  readonly containerDownloads?: number
  readonly createdAt?: number // epoch ms
  readonly updatedAt?: number // likewise
}

/** An image whose bytes are here. */
export interface HeldLibraryImage extends LibraryImage {
  readonly digest: BlobId
  readonly size: number // bytes
}

const hash: Field<Digest> = {
  name: 'hash',
  read: (value) => (typeof value === 'string' ? digestInHash(value) : undefined),
  print: (digest) => {
    const id = asBlobId(digest)
    return id && printHash(id)
  },
}

const hex = shaped(/^[0-9A-F]{16,64}$/)
const fingerprint: Field<string> = { ...hex, read: (value) => hex.read(typeof value === 'string' ? value.toUpperCase() : value) }

const fields: Fields<LibraryImage> = {
  id: identifier,
  digest: hash,
  size: count,
  arch: shaped(/^[a-z0-9]{1,20}$/),
  uploaded: flag,
  signed: flag,
  encrypted: flag,
  tags: listOf(line),
  fingerprints: listOf(fingerprint),
  description: text,
  entity: identifier,
  collection: identifier,
  container: identifier,
  entityName: line,
  collectionName: line,
  containerName: line,
  containerDescription: text,
  containerStars: count,
  containerDownloads: count,
  createdAt: time,
  updatedAt: time,
}

/**
 * Reads the answer of `v1/images/<ref>`. What is missing or of the wrong type is left out.
 *
 * @throws Fault 'upstream-invalid' where there is no image in it
 */
export function parseLibraryImage(body: Uint8Array): LibraryImage {
  return readFields(libraryData(body, 'the image in the library'), fields)
}

/**
 * Our own answer to `v1/images/<ref>`. A client that is told of no hash empties its cache and then fails, so there always is
 * one; it takes the size at its word, and gives up on a time without a zone or a number in quotes.
 *
 * @throws Fault 'internal' for a size that is none
 */
export function printLibraryImage(image: HeldLibraryImage): string {
  const data: Json = printFields<LibraryImage>({ ...image, uploaded: true }, fields)
  if (data.hash === undefined || data.size === undefined)
    throw new Fault('internal', { what: 'an image of a library would have no hash or no size' })
  return JSON.stringify({ data })
}

/** One image in a list of them; undefined for what is none. */
export function readLibraryImage(value: unknown): LibraryImage | undefined {
  return isJsonObject(value) ? readFields(value, fields) : undefined
}

/** The same for the answer to a search: without its size, which nobody here has seen. */
export function listLibraryImage(image: LibraryImage): Json {
  return printFields({ ...image, size: undefined }, fields)
}

/** What a library's answer is about. @throws Fault 'upstream-invalid' @see library API, the envelope of all its answers */
export function libraryData(body: Uint8Array, what: string): Json {
  const { data } = parseJsonObject(body, what)
  if (!isJsonObject(data)) throw invalidDocument(what, 'it has no data object')
  return data
}
