import { createCipheriv, createHash } from 'node:crypto'

/** What a blob of the bench consists of: the same pair is the same bytes in every process. */
export interface Content {
  readonly seed: number
  readonly size: number // bytes
}

export interface Noise {
  /** The content's bytes from `position` on: at most `most`, at least one, none at its end. Views, not copies, but for the first. */
  at(content: Content, position: number, most: number): Buffer
  digest(content: Content): string
  /** Raw sha-256 of each stretch of `length` bytes, one after the other. */
  pieces(content: Content, length: number): Buffer
}

// A prime: no two blocks of a blob at round offsets are alike, so bytes in a wrong place change the digest.
const period = 67_108_859
const headSize = 64
const hashStep = 1024 * 1024

/** Incompressible bytes for blobs of any size, out of 64 MiB of memory. The first 64 bytes carry the seed. */
export function createNoise(): Noise {
  const base = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(period))

  function at({ seed, size }: Content, position: number, most: number): Buffer {
    const end = Math.min(size, position + most)
    if (position < headSize) {
      const first = Buffer.from(base.subarray(0, Math.min(end, period)))
      first.write(`${seed} `.padEnd(headSize, '.'), 0, Math.min(headSize, first.length), 'latin1')
      return first.subarray(position)
    }
    const from = position % period
    return base.subarray(from, from + Math.min(end - position, period - from))
  }

  function hashOf(content: Content, start: number, end: number): Buffer {
    const hash = createHash('sha256')
    for (let position = start; position < end; ) {
      const bytes = at(content, position, Math.min(hashStep, end - position))
      hash.update(bytes)
      position += bytes.length
    }
    return hash.digest()
  }

  return {
    at,
    digest: (content) => `sha256:${hashOf(content, 0, content.size).toString('hex')}`,
    pieces(content, length) {
      const starts = Array.from({ length: Math.ceil(content.size / length) }, (_, piece) => piece * length)
      return Buffer.concat(starts.map((start) => hashOf(content, start, Math.min(content.size, start + length))))
    },
  }
}
