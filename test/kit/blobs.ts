import { createCipheriv, createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../src/model/digest.ts'

/** Bytes with their name. */
export interface Content {
  readonly bytes: Buffer
  readonly digest: Digest
  readonly mediaType: string
}

/** The same bytes for the same seed, and incompressible: a key stream. */
export function seededBytes(size: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size))
}

export function digestOfBytes(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'))
}

/** The digits alone, as files of checksums have them. */
export function hexOfBytes(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

export function content(bytes: Uint8Array, mediaType = 'application/octet-stream', algorithm: Algorithm = 'sha256'): Content {
  return { bytes: Buffer.from(bytes), digest: digestOfBytes(bytes, algorithm), mediaType }
}

/** A blob of `size` bytes that depends on the seed only. */
export function blob(size: number, seed = 'blob', mediaType?: string): Content {
  return content(seededBytes(size, `${seed}:${size}`), mediaType)
}

export function json(document: unknown, mediaType: string): Content {
  return content(Buffer.from(JSON.stringify(document, undefined, 2)), mediaType)
}

export const KiB = 1024
export const MiB = 1024 * 1024
