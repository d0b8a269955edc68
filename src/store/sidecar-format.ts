import { type Digest, digestOrUndefined } from '../model/digest.ts'
import type { BlobFacts, TagFacts } from '../model/facts.ts'
import { parseRepository } from '../model/reference.ts'

// A file on disk is somebody else's word: every field is checked, and one that is wrong makes the whole damaged.

/** The time stands first and has a fixed width, so that it can be overwritten where it is. */
export const timePlace = { prefix: '{"checkedAt":', width: 16 } as const
const maxMediaType = 255

export function printTagFacts({ checkedAt, ...facts }: TagFacts): string {
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

export function printBlobFacts(facts: BlobFacts): string {
  return `${JSON.stringify(facts)}\n`
}

export function parseBlobFacts(text: string): BlobFacts | undefined {
  const fields = parseObject(text)
  if (!fields) return undefined
  const { mediaType, repositories, isPublic, aliases, createdAt } = fields
  if (mediaType !== undefined && !isMediaType(mediaType)) return undefined
  if (typeof isPublic !== 'boolean' || !isCount(createdAt)) return undefined
  if (!isListOf(repositories, isPlace) || !isListOf(aliases, isDigest)) return undefined
  return { mediaType, repositories, isPublic, aliases, createdAt }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function isListOf<T>(value: unknown, is: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is)
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && digestOrUndefined(value) !== undefined
}

/** `upstream/repository` */
function isPlace(value: unknown): value is string {
  if (typeof value !== 'string') return false
  const slash = value.indexOf('/')
  if (slash < 1) return false
  try {
    return parseRepository(value.slice(slash + 1)) !== ''
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
