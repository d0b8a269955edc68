import type { Brand } from './brand.ts'
import { type Digest, parseDigest } from './digest.ts'
import { Fault } from './fault.ts'

/** The key of an upstream in the settings; only the settings make one. */
export type UpstreamId = Brand<string, 'UpstreamId'>
export type Repository = Brand<string, 'Repository'>
export type Tag = Brand<string, 'Tag'>
/** What stands before the tag of an image that is one file: `entity/collection/container`, `collection/name`. */
export type ImageName = Brand<string, 'ImageName'>
/** The path of a plain file below its upstream, each part escaped as in a URL. One that ends with a slash, or is empty, is a folder. */
export type FilePath = Brand<string, 'FilePath'>

/** What a client asked for, in one shape for all protocols. */
export type Reference = { readonly upstream: UpstreamId } & (
  | { readonly kind: 'manifest'; readonly repository: Repository; readonly pointer: Tag | Digest }
  | { readonly kind: 'blob'; readonly repository: Repository; readonly digest: Digest }
  | {
      readonly kind: 'image'
      readonly name: ImageName
      readonly pointer: string // a tag, or a version in the words of the protocol
      readonly arch: string | undefined // as Go names it
    }
  | { readonly kind: 'file'; readonly path: FilePath }
)
export type ManifestReference = Extract<Reference, { kind: 'manifest' }>
export type BlobReference = Extract<Reference, { kind: 'blob' }>
export type ImageReference = Extract<Reference, { kind: 'image' }>
export type FileReference = Extract<Reference, { kind: 'file' }>
/** What has a name and no digest of its own: it means whatever its upstream says. */
export type NameReference = ImageReference | FileReference

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagShape = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const maxNameLength = 255 // clients cap host and name together at 255, so a longer name cannot be asked for by any of them

/**
 * Reads a repository name such as `library/alpine`.
 *
 * @throws Fault 'name-invalid'
 * @see OCI distribution-spec, "Pulling manifests", the grammar of <name>
 */
export function parseRepository(text: string): Repository {
  const why = nameMistake(text)
  if (why) throw new Fault('name-invalid', { text: text.slice(0, 300), why })
  return text as Repository
}

/** @throws Fault 'tag-invalid' @see OCI distribution-spec, the grammar of a tag */
export function parseTag(text: string): Tag {
  if (!tagShape.test(text)) throw new Fault('tag-invalid', { text: text.slice(0, 200) })
  return text as Tag
}

const imagePart = /^[a-zA-Z0-9]+(?:[._-]+[a-zA-Z0-9]+)*$/
const imagePointer = /^[a-zA-Z0-9_][a-zA-Z0-9._+@-]{0,255}$/
const maxParts = 8
const maxPath = 2048

/**
 * Reads the name of an image that is one file; case is kept, as upstreams tell names apart by it.
 *
 * @throws Fault 'name-invalid'
 */
export function parseImageName(text: string): ImageName {
  const parts = text.split('/')
  const wrong = parts.find((part) => !imagePart.test(part))
  const why =
    wrong !== undefined
      ? `"${wrong.slice(0, 80)}" may hold letters and digits, separated by ".", "_" or "-"`
      : text.length > maxNameLength || parts.length > maxParts
        ? `it has more than ${maxNameLength} characters or ${maxParts} parts`
        : undefined
  if (why) throw new Fault('name-invalid', { text: text.slice(0, 300), why })
  return text as ImageName
}

/** @throws Fault 'tag-invalid' */
export function parseImagePointer(text: string): string {
  if (!imagePointer.test(text)) throw new Fault('tag-invalid', { text: text.slice(0, 200) })
  return text
}

/**
 * Reads the path of a file as a URL has it: parts may be escaped, and none may lead out of where they stand. The result is
 * escaped in one way, so that a file has one name.
 *
 * @throws Fault 'name-invalid'
 */
export function parseFilePath(text: string): FilePath {
  const why = (mistake: string) => new Fault('name-invalid', { text: text.slice(0, 300), why: mistake })
  if (text.length > maxPath) throw why(`it has more than ${maxPath} characters`)
  const parts = text.split('/').map((part, at, all) => {
    const plain = decoded(part)
    if (plain === undefined) throw why('it is not escaped as a URL is')
    if (plain === '' && at === all.length - 1) return plain // a folder
    if (plain === '' || plain === '.' || plain === '..') throw why('it has an empty part, or one of dots alone')
    if (/\p{Cc}|[/\\]/u.test(plain)) throw why('a part of it holds a control character or a slash')
    return encodeURIComponent(plain)
  })
  return parts.join('/') as FilePath
}

function decoded(part: string): string | undefined {
  try {
    const plain = decodeURIComponent(part)
    return plain.isWellFormed() ? plain : undefined
  } catch {
    return undefined
  }
}

/** What stands behind `/manifests/`: a digest if it has a colon (no tag may), else a tag. @throws Fault */
export function parsePointer(text: string): Tag | Digest {
  return text.includes(':') ? parseDigest(text) : parseTag(text)
}

export function isDigest(pointer: Tag | Digest): pointer is Digest {
  return pointer.includes(':')
}

/** `docker.io/library/alpine:3.20`, `…@sha256:…`, `data/path/x.sif`: one text for each reference, also used as its key. */
export function printReference(reference: Reference): string {
  if (reference.kind === 'file') return `${reference.upstream}/${reference.path}`
  if (reference.kind === 'image') {
    const { upstream, name, pointer, arch } = reference
    return `${upstream}/${name}:${pointer}${arch === undefined ? '' : `?arch=${arch}`}`
  }
  const place = `${reference.upstream}/${reference.repository}`
  if (reference.kind === 'blob') return `${place}@${reference.digest}`
  return isDigest(reference.pointer) ? `${place}@${reference.pointer}` : `${place}:${reference.pointer}`
}

/** What is held of an image or a file is told by its name, as it is by its repository elsewhere. */
export function placeOf(reference: NameReference): { upstream: UpstreamId; repository: Repository } {
  const { upstream } = reference
  return { upstream, repository: (reference.kind === 'file' ? reference.path : reference.name) as string as Repository }
}

function nameMistake(text: string): string | undefined {
  if (text.length === 0) return 'it is empty'
  if (text.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  const wrong = text.split('/').find((part) => !component.test(part))
  if (wrong === undefined) return undefined
  return wrong === ''
    ? 'it has an empty part'
    : `"${wrong.slice(0, 80)}" may hold lower case letters and digits, separated by ".", "_", "__" or "-"`
}
