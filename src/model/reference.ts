import type { Brand } from './brand.ts'
import { type Digest, parseDigest } from './digest.ts'
import { Fault } from './fault.ts'

/** The key of an upstream in the settings; only the settings make one. */
export type UpstreamId = Brand<string, 'UpstreamId'>
export type Repository = Brand<string, 'Repository'>
export type Tag = Brand<string, 'Tag'>

/** What a client asked for, in one shape for all protocols. */
export type Reference = { readonly upstream: UpstreamId } & (
  | { readonly kind: 'manifest'; readonly repository: Repository; readonly pointer: Tag | Digest }
  | { readonly kind: 'blob'; readonly repository: Repository; readonly digest: Digest }
)
export type ManifestReference = Extract<Reference, { kind: 'manifest' }>
export type BlobReference = Extract<Reference, { kind: 'blob' }>

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

/** What stands behind `/manifests/`: a digest if it has a colon (no tag may), else a tag. @throws Fault */
export function parsePointer(text: string): Tag | Digest {
  return text.includes(':') ? parseDigest(text) : parseTag(text)
}

export function isDigest(pointer: Tag | Digest): pointer is Digest {
  return pointer.includes(':')
}

/** `docker.io/library/alpine:3.20` or `…@sha256:…`: one text for each reference, also used as its key. */
export function printReference(reference: Reference): string {
  const place = `${reference.upstream}/${reference.repository}`
  if (reference.kind === 'blob') return `${place}@${reference.digest}`
  return isDigest(reference.pointer) ? `${place}@${reference.pointer}` : `${place}:${reference.pointer}`
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
