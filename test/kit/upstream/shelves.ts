import type { Content } from '../blobs.ts'
import { describe, type Image } from '../images.ts'

/** What a registry holds: repositories with manifests, blobs and tags. */
export interface Shelves {
  /** Puts an image with everything it names into a repository, under the tags. */
  push(repository: string, image: Image, ...tags: readonly string[]): void
  pushBlob(repository: string, ...blobs: readonly Content[]): void
  /** Puts bytes there as a manifest, whatever they are. */
  pushManifest(repository: string, manifest: Content, ...tags: readonly string[]): void
  untag(repository: string, tag: string): void
  removeBlob(repository: string, digest: string): void
  has(repository: string): boolean
  blob(repository: string, digest: string): Content | undefined
  manifest(repository: string, pointer: string): Content | undefined
  tags(repository: string): readonly string[]
  referrers(repository: string, digest: string): readonly Record<string, unknown>[]
  readonly repositories: readonly string[]
}

interface Shelf {
  readonly blobs: Map<string, Content>
  readonly manifests: Map<string, Content>
  readonly tags: Map<string, string>
  readonly referrers: Map<string, Map<string, Record<string, unknown>>> // by subject, by digest
}

export function createShelves(): Shelves {
  const shelves = new Map<string, Shelf>()

  function shelf(repository: string): Shelf {
    const made = shelves.get(repository) ?? { blobs: new Map(), manifests: new Map(), tags: new Map(), referrers: new Map() }
    shelves.set(repository, made)
    return made
  }

  function place(repository: string, image: Image): void {
    const { blobs, manifests, referrers } = shelf(repository)
    for (const blob of image.blobs) blobs.set(blob.digest, blob)
    for (const child of image.children) place(repository, child)
    manifests.set(image.manifest.digest, image.manifest)
    if (image.subject === undefined) return
    const ours = referrers.get(image.subject) ?? new Map()
    referrers.set(image.subject, ours)
    const artifactType = image.artifactType ?? image.blobs[0]?.mediaType
    ours.set(image.manifest.digest, {
      ...describe(image.manifest),
      ...(artifactType && { artifactType }),
      ...(image.annotations && { annotations: image.annotations }),
    })
  }

  return {
    push(repository, image, ...tags) {
      place(repository, image)
      for (const tag of tags) shelf(repository).tags.set(tag, image.manifest.digest)
    },
    pushBlob(repository, ...blobs) {
      for (const blob of blobs) shelf(repository).blobs.set(blob.digest, blob)
    },
    pushManifest(repository, manifest, ...tags) {
      shelf(repository).manifests.set(manifest.digest, manifest)
      for (const tag of tags) shelf(repository).tags.set(tag, manifest.digest)
    },
    untag: (repository, tag) => void shelf(repository).tags.delete(tag),
    removeBlob: (repository, digest) => void shelf(repository).blobs.delete(digest),
    has: (repository) => shelves.has(repository),
    blob: (repository, digest) => shelves.get(repository)?.blobs.get(digest),
    manifest(repository, pointer) {
      const found = shelves.get(repository)
      return found?.manifests.get(found.tags.get(pointer) ?? pointer)
    },
    tags: (repository) => [...(shelves.get(repository)?.tags.keys() ?? [])].sort(),
    referrers: (repository, digest) => [...(shelves.get(repository)?.referrers.get(digest)?.values() ?? [])],
    get repositories() {
      return [...shelves.keys()].sort()
    },
  }
}
