import { asBlobId, type Digest, digestOrUndefined } from '../model/digest.ts'
import type { BlobFacts, NameFacts, TagFacts } from '../model/facts.ts'
import { type NameReference, parseFilePath, parseImageName, parseImagePointer, type UpstreamId } from '../model/reference.ts'

// A file on disk is somebody else's word: every field is checked, and one that is wrong makes the whole damaged.

/** The time stands first and has a fixed width, so that it can be overwritten where it is. */
export const timePlace = { prefix: '{"checkedAt":', width: 16 } as const
const maxMediaType = 255

export function printTagFacts(facts: TagFacts): string {
  return printTimed(facts)
}

export function printNameFacts(facts: NameFacts): string {
  return printTimed(facts)
}

function printTimed({ checkedAt, ...facts }: { readonly checkedAt: number }): string {
  return `${timePlace.prefix}${printTime(checkedAt)},${JSON.stringify(facts).slice(1)}\n`
}

/** JSON allows the padding before a number. */
export function printTime(checkedAt: number): string {
  return String(Math.trunc(checkedAt)).padStart(timePlace.width)
}

/** Does the beginning of a file have the time where `printTagFacts` puts it? */
export function hasTimePlace(head: string): boolean {
  return head.startsWith(timePlace.prefix) && /^ *\d+,$/.test(head.slice(timePlace.prefix.length))
}

export function parseTagFacts(text: string): TagFacts | undefined {
  const fields = parseObject(text)
  if (!fields) return undefined
  const { digest, mediaType, size, checkedAt } = fields
  const checked = typeof digest === 'string' ? digestOrUndefined(digest) : undefined
  if (!checked || !isMediaType(mediaType) || !isCount(size) || !isCount(checkedAt)) return undefined
  return { digest: checked, mediaType, size, checkedAt }
}

export function parseNameFacts(text: string): NameFacts | undefined {
  const fields = parseObject(text)
  const reference = fields && parseNameReference(fields.reference)
  if (!fields || !reference) return undefined
  const { claimed, id, size, mediaType, validators, version, urls, about, checkedAt } = fields
  const known = typeof id === 'string' ? digestOrUndefined(id) : undefined
  const blob = known && asBlobId(known)
  if ((id !== undefined && !blob) || (claimed !== undefined && !isDigest(claimed))) return undefined
  if ((size !== undefined && !isCount(size)) || !isMediaType(mediaType) || !isCount(checkedAt)) return undefined
  if (typeof version !== 'string' || !isObject(about) || !isObject(validators) || !isListOf(urls, isText)) return undefined
  const { etag, lastModified } = validators
  if ((etag !== undefined && !isText(etag)) || (lastModified !== undefined && !isText(lastModified))) return undefined
  const told = { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) }
  return { reference, claimed, id: blob, size, mediaType, validators: told, version, urls, about, checkedAt }
}

function parseNameReference(value: unknown): NameReference | undefined {
  if (!isObject(value) || !isText(value.upstream)) return undefined
  const upstream = value.upstream as UpstreamId
  const { kind, path, name, pointer, arch } = value
  try {
    if (kind === 'file' && isText(path)) return { upstream, kind, path: parseFilePath(path) }
    if (kind !== 'image' || !isText(name) || !isText(pointer) || (arch !== undefined && !isText(arch))) return undefined
    return { upstream, kind, name: parseImageName(name), pointer: parseImagePointer(pointer), arch }
  } catch {
    return undefined
  }
}

export function printPins(patterns: readonly string[]): string {
  return `${JSON.stringify({ pins: patterns })}\n`
}

export function parsePins(text: string): readonly string[] | undefined {
  const pins = parseObject(text)?.pins
  return isListOf(pins, isText) ? pins : undefined
}

export function printBlobFacts(facts: BlobFacts): string {
  return `${JSON.stringify(facts)}\n`
}

export function parseBlobFacts(text: string): BlobFacts | undefined {
  const fields = parseObject(text)
  if (!fields) return undefined
  const { mediaType, repositories, isPublic, aliases, createdAt, size } = fields
  if (mediaType !== undefined && !isMediaType(mediaType)) return undefined
  if (typeof isPublic !== 'boolean' || !isCount(createdAt)) return undefined
  if (!isListOf(repositories, isPlace) || !isListOf(aliases, isDigest)) return undefined
  if (size !== undefined && !isCount(size)) return undefined
  return { mediaType, repositories, isPublic, aliases, createdAt, ...(size === undefined ? {} : { size }) }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isListOf<T>(value: unknown, is: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is)
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && digestOrUndefined(value) !== undefined
}

/** `upstream/repository`, or a name of images or a path of a file: what a path of a file may be includes the others. */
function isPlace(value: unknown): value is string {
  if (typeof value !== 'string') return false
  const slash = value.indexOf('/')
  if (slash < 1) return false
  try {
    parseFilePath(value.slice(slash + 1))
    return true
  } catch {
    return false
  }
}

function isMediaType(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxMediaType && /^[\x20-\x7e]+$/.test(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
