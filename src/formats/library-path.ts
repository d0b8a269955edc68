import type { Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type ImageName, parseImageName, parseTag } from '../model/reference.ts'
import { digestInHash } from './image-hash.ts'
import { decodeOnce } from './percent.ts'

/** What a client of a library asks for. */
export interface LibraryPath {
  /** `entity/collection/container`; the library has its own words for what a user leaves out at the front. */
  readonly name: ImageName
  /** A tag, or a hash in its place: `sha256.` and hex. */
  readonly pointer: string
}

const usualTag = 'latest'
const usualCollection = 'default'
const mostParts = 3

/**
 * Reads what stands behind `v1/images/` or `v1/imagefile/`: raw, so that an escaped slash is none.
 *
 * @throws Fault 'name-invalid', 'tag-invalid'; 'not-found' for `name@sha256:…`, which no library knows
 */
export function parseLibraryPath(path: string): LibraryPath {
  const parts = partsOf(path)
  const last = parts.pop() ?? ''
  if (last.includes('@')) throw new Fault('not-found', { what: [...parts, last].join('/').slice(0, 300) })
  const colon = last.indexOf(':')
  const name = colon < 0 ? last : last.slice(0, colon)
  return {
    name: nameOf([...parts, name]),
    pointer: colon < 0 ? usualTag : parseTag(last.slice(colon + 1)),
  }
}

/** Reads the name behind `v1/entities/`, `v1/collections/` or `v1/containers/`. @throws Fault 'name-invalid' */
export function parseLibraryName(path: string): ImageName {
  return nameOf(partsOf(path))
}

/** The digest that a pointer is, where it is one. */
export function digestInPointer(pointer: string): Digest | undefined {
  return pointer.startsWith('sha256.') ? digestInHash(pointer) : undefined
}

export function printLibraryPath({ name, pointer }: LibraryPath): string {
  return `${name}:${pointer}`
}

/**
 * The architecture that a query asks for, by Go's name; undefined where it asks for none.
 *
 * @param query without its question mark
 * @throws Fault 'request-invalid'
 */
export function parseLibraryArch(query: string): string | undefined {
  for (const [key, value] of new URLSearchParams(query)) {
    // Singularity 3.7.0 escapes the equals sign with the rest.
    const arch = key === 'arch' ? value : key.startsWith('arch=') ? key.slice('arch='.length) : ''
    if (arch === '') continue
    if (/^[a-z0-9]{1,20}$/.test(arch)) return arch
    throw new Fault('request-invalid', { what: 'arch', why: `"${arch.slice(0, 40)}" is not an architecture as Go names it` })
  }
  return undefined
}

/** Clients leave a part that their user did not name empty, and put it there all the same. */
function partsOf(path: string): string[] {
  const parts = path.replace(/\/$/, '').split('/')
  const first = parts.findIndex((part) => part !== '')
  const last = parts.length - 1
  return parts.flatMap((part, at) => (at < first ? [] : part === '' && at < last ? usualCollection : decodeOnce(part)))
}

function nameOf(parts: readonly string[]): ImageName {
  const text = parts.join('/')
  if (parts.length > mostParts)
    throw new Fault('name-invalid', { text: text.slice(0, 300), why: `it has more than ${mostParts} parts` })
  return parseImageName(text)
}
