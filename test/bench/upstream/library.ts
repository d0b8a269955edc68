import type { Shelf } from './shelf.ts'

/** What the library API of the bench answers: the first layer of every published image is an image of a library too. */
export type LibraryAnswer =
  | { readonly kind: 'document'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly digest: string }

/** The answer of `version`. */
export const libraryVersion = { data: { version: 'v0.9.0', apiVersion: '2.0.0-alpha.2' } }
const shape = /^\/v1\/(images|imagefile)\/[^:?]+:([^?]+)(?:\?.*)?$/

/** By tag, or by `sha256.<hex>` in its place; undefined where it has no such thing. */
export function libraryAnswer(path: string, shelf: Shelf): LibraryAnswer | undefined {
  if (path === '/version') return document(libraryVersion)
  const [, what, pointer = ''] = shape.exec(path) ?? []
  if (what === undefined) return undefined
  const digest = pointer.startsWith('sha256.') ? pointer.replace('.', ':') : shelf.layersOf(pointer)?.[0]?.digest
  const content = digest === undefined ? undefined : shelf.blob(digest)
  if (digest === undefined || content === undefined || Buffer.isBuffer(content)) return undefined
  return what === 'imagefile' ? { kind: 'file', digest } : document(describeImage(digest, content.size))
}

/** The answer of `v1/images`. */
export function describeImage(digest: string, size: number): object {
  return { data: { id: '1', hash: digest.replace(':', '.'), size, arch: 'amd64', uploaded: true } }
}

function document(value: object): LibraryAnswer {
  return { kind: 'document', bytes: Buffer.from(JSON.stringify(value)) }
}
