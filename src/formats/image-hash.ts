import { type BlobId, type Digest, hexOf } from '../model/digest.ts'
import { digestFromHex } from './hash-names.ts'

const shape = /^(?:(sha256|md5)[.:])?([0-9a-fA-F]+)$/

/**
 * The digest in what libraries and shub registries call the hash or version of an image: `sha256.` and hex, `md5.` and hex,
 * or bare hex of either length. Undefined for anything else, as for a commit or the id of a build.
 */
export function digestInHash(text: string): Digest | undefined {
  const [, algorithm, hex = ''] = shape.exec(text) ?? []
  if (algorithm === 'sha256' || algorithm === 'md5') return digestFromHex(algorithm, hex)
  return digestFromHex('sha256', hex) ?? digestFromHex('md5', hex)
}

/** The one form that every client takes; each refuses an md5, capitals and bare hex. */
export function printHash(id: BlobId): string {
  return `sha256.${hexOf(id)}`
}
