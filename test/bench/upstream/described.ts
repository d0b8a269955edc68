import { metalink4Type } from '../../../src/formats/metalink-document.ts'
import { printMetalink4 } from '../../../src/formats/metalink4.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { pieceLengthFor } from '../../../src/model/pieces.ts'
import { blobPath } from '../servers/paths.ts'
import type { Content, Noise } from './content.ts'

/** Metalinks of blobs, with hashes of their pieces, as another proxy in front of a registry would have them. */
export interface Described {
  /** Hashes the pieces, now: nobody is to wait for that later. */
  add(digest: string, content: Content): void
  /** The Link field of answers with the blob. @see RFC 6249 */
  linkTo(digest: string, base: string): string | undefined
  /** What lies at a path that a Link field named. */
  documentAt(path: string, base: string): Buffer | undefined
}

export const describedType = metalink4Type
const folder = '/described/'

export function createDescribed(noise: Noise): Described {
  const known = new Map<string, { readonly size: number; readonly length: number; readonly hashes: Buffer }>()
  const pathOf = (digest: string): string => `${folder}${digest}.meta4`

  function print(digest: string, base: string): Buffer {
    const { size, ...pieces } = known.get(digest)!
    const text = printMetalink4({
      generator: 'bench/1',
      origin: base + pathOf(digest),
      published: 0,
      updated: 0,
      files: [
        {
          name: 'blob',
          size,
          digests: [digest as Digest],
          pieces: { ...pieces, algorithm: 'sha256' },
          urls: [{ url: base + blobPath(digest), priority: 1 }],
        },
      ],
    })
    return Buffer.from(text)
  }

  return {
    add(digest, content) {
      const length = pieceLengthFor(content.size)
      if (length === undefined) throw new Error(`${content.size} bytes are too few for pieces`)
      known.set(digest, { size: content.size, length, hashes: noise.pieces(content, length) })
    },
    linkTo: (digest, base) =>
      known.has(digest) ? `<${base}${pathOf(digest)}>; rel=describedby; type="${describedType}"` : undefined,
    documentAt(path, base) {
      const digest = path.startsWith(folder) && path.endsWith('.meta4') ? path.slice(folder.length, -'.meta4'.length) : ''
      return known.has(digest) ? print(digest, base) : undefined
    },
  }
}
