import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { asBlobId, type BlobId, digestOrUndefined, hexOf, parseDigest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { parseRepository, parseTag, type UpstreamId } from '../model/reference.ts'
import type { TagPlace } from './blob-store.ts'

/**
 * Where things lie in a store folder. Every name is checked here once more, whatever its type says, so that nothing
 * else in the store has to think about path tricks.
 */
export const blobsFolder = (root: string) => join(root, 'blobs', 'sha256')
export const spoolsFolder = (root: string) => join(root, 'spools')
export const quarantineFolder = (root: string) => join(root, 'quarantine')
export const refsFolder = (root: string) => join(root, 'refs')
export const namesFolder = (root: string) => join(root, 'names')

const factsSuffix = '.json'
const piecesSuffix = '.pieces'
const signatureSuffix = '.asc'
const besides = [factsSuffix, piecesSuffix, signatureSuffix]

/** `blobs/sha256/ab/<hex>` @throws Fault 'digest-invalid' */
export function blobFile(root: string, id: BlobId): string {
  const digest = asBlobId(parseDigest(id))
  if (!digest) throw new Fault('digest-invalid', { text: id })
  const hex = hexOf(digest)
  return join(blobsFolder(root), hex.slice(0, 2), hex)
}

/** The facts beside a blob. @throws Fault 'digest-invalid' */
export function factsFile(root: string, id: BlobId): string {
  return blobFile(root, id) + factsSuffix
}

/** The piece hashes beside a blob. @throws Fault 'digest-invalid' */
export function piecesFile(root: string, id: BlobId): string {
  return blobFile(root, id) + piecesSuffix
}

/** An OpenPGP signature of a blob, beside it. @throws Fault 'digest-invalid' */
export function signatureFile(root: string, id: BlobId): string {
  return blobFile(root, id) + signatureSuffix
}

/** The reverse of `blobFile`, for a path below `blobsFolder`; undefined for anything else that lies there. */
export function blobIdAt(relative: string): BlobId | undefined {
  const [folder, hex, ...rest] = relative.split('/')
  const digest = digestOrUndefined(`sha256:${hex}`)
  return digest && rest.length === 0 && hex!.slice(0, 2) === folder ? asBlobId(digest) : undefined
}

/** The blob that a file below `blobsFolder` lies beside; undefined for blobs themselves, and anything else. */
export function fileBesideAt(relative: string): BlobId | undefined {
  const [stem, suffix] = [relative.replace(/\.[^./]*$/, ''), /\.[^./]*$/.exec(relative)?.[0]]
  return suffix !== undefined && besides.includes(suffix) ? blobIdAt(stem) : undefined
}

/** The stem of a spool's two files: a key may be any text, so it is hashed. */
export function spoolStem(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** `refs/<upstream>/<repository>/_tags/<tag>.json`; no part of a repository may begin with `_`. @throws Fault */
export function tagFile(root: string, { upstream, repository, tag }: TagPlace): string {
  return join(refsFolder(root), upstreamFolder(upstream), parseRepository(repository), '_tags', `${parseTag(tag)}.json`)
}

/** The reverse of `tagFile`, for a path below `refsFolder`; undefined for anything else that lies there. */
export function tagPlaceAt(relative: string): TagPlace | undefined {
  const match = /^([^/]+)\/(.+)\/_tags\/([^/]+)\.json$/.exec(relative)
  if (!match) return undefined
  try {
    const upstream = decodeURIComponent(match[1]!) as UpstreamId
    if (upstreamFolder(upstream) !== match[1]) return undefined
    return { upstream, repository: parseRepository(match[2]!), tag: parseTag(match[3]!) }
  } catch {
    return undefined
  }
}

/** `names/ab/<sha256 of the key>.json`: a name may be longer than any file's, and hold anything. */
export function nameFile(root: string, key: string): string {
  const hex = createHash('sha256').update(key).digest('hex')
  return join(namesFolder(root), hex.slice(0, 2), `${hex}.json`)
}

export const pinsFile = (root: string) => join(root, 'pins.json')

/** A key of the settings as one folder name: `docker.io` as it is, other characters escaped, no leading dot. */
function upstreamFolder(upstream: UpstreamId): string {
  const name = encodeURIComponent(upstream).replace(/^\./, '%2E')
  if (name === '' || name.length > 255) throw new Fault('name-invalid', { text: name.slice(0, 300), why: 'it names no upstream' })
  return name
}
