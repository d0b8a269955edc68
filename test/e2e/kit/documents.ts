import { describeImage, type Image, native } from './describe-image.ts'
import { images } from './images.ts'
import type { Site } from './site.ts'

/** A metalink of a site, and what a download by it leaves: a digest for each file name. */
export interface Document {
  readonly url: string
  readonly files: Readonly<Record<string, string>>
  readonly pieces: number
}

export const kinds = [
  'a blob with pieces',
  'a blob that is not held',
  'a manifest',
  'a SIF',
  'an image',
  'an image of all platforms',
] as const

export type Kind = (typeof kinds)[number]

/** One document of each kind, from a site that is warm. `upstream` tells what the images are. */
export async function documentOf(kind: Kind, site: Site, upstream: { readonly url: string }): Promise<Document> {
  const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
  const tool = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
  // Asking for these makes known what is in them.
  for (const image of [images.index, images.sif]) await fetch(site.imageMeta4(image))
  const inPieces = Math.ceil(site.sif.size / 2 ** 20)
  const alone = (digest: string, pieces: number): Document => ({
    url: site.meta4(digest),
    files: { [hexOf(digest)]: digest },
    pieces,
  })
  switch (kind) {
    case 'a blob with pieces':
      return alone(site.sif.digest, inPieces)
    case 'a blob that is not held':
      return alone(index.blobs.toSorted((a, b) => b.size - a.size)[0]!.digest, 0)
    case 'a manifest':
      return alone(tool.digest, 0)
    case 'a SIF':
      return { url: site.imageMeta4(images.sif), files: { 'tool_1.0.sif': site.sif.digest }, pieces: inPieces }
    case 'an image':
      return { url: site.imageMeta4(images.index), files: layoutOf(native(index), [native(index).digest]), pieces: 0 }
    case 'an image of all platforms': {
      const manifests = [index.digest, ...Object.values(index.platforms).map(({ digest }) => digest)]
      return { url: site.imageMeta4(images.index, '?platform=all'), files: layoutOf(index, manifests), pieces: 0 }
    }
  }
}

function layoutOf({ blobs }: Image, manifests: readonly string[]): Readonly<Record<string, string>> {
  const all = [...manifests, ...blobs.map(({ digest }) => digest)]
  return Object.fromEntries(all.map((digest) => [`debian_12/blobs/sha256/${hexOf(digest)}`, digest]))
}

export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length)
}
