import type { BlobId, Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { kindOf, sifLayer } from '../model/media-type.ts'
import type { Ask } from '../model/principal.ts'
import type { ManifestReference } from '../model/reference.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Blobs } from './blobs.ts'
import type { Keeping, Target } from './catalog.ts'
import type { Knowledge, Place } from './knowledge.ts'
import type { Manifests } from './manifests.ts'
import type { Names } from './names.ts'
import type { Notes } from './notes.ts'
import { digestHere, printTarget } from './target.ts'
import { untilStored } from './until-stored.ts'
import type { Part, Walk } from './walk.ts'

const blobsAtOnce = 4

export interface GetDeps {
  readonly manifests: Manifests
  readonly names: Pick<Names, 'bring'>
  readonly blobs: Blobs
  readonly notes: Pick<Notes, 'noted'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Knowledge
  readonly walk: Walk
  readonly platform: string // os/arch of the machine: what is brought in of an index that has it
}

/**
 * Brings a blob, a file, or an image with all it names, into the store. The answer is the blob itself, the SIF of an image
 * that is one, or the manifest.
 *
 * @throws Fault 'not-found', 'upstream-…', 'all-sources-failed'
 */
export function createGet({ manifests, names, blobs, notes, store, knowledge, walk, platform }: GetDeps): Keeping['get'] {
  async function bringBlob(place: Place, digest: Digest, ask: Ask): Promise<void> {
    await untilStored({ notes }, await blobs.open({ kind: 'blob', ...place, digest }, ask), digest, ask.signal)
  }

  async function bringManifest(reference: ManifestReference, ask: Ask): Promise<{ id: BlobId; mediaType: string }> {
    const opened = await manifests.open(reference, ask)
    await opened.bytes[Symbol.asyncDispose]()
    const { digests, mediaType } = opened.artifact
    const id = await knowledge.idOf(digests[0]!)
    if (!id) throw new Fault('internal', { what: `${digests[0]} was fetched and is not here` })
    return { id, mediaType }
  }

  async function bringImage(reference: ManifestReference, ask: Ask): Promise<{ id: BlobId; mediaType: string }> {
    const { upstream, repository } = reference
    const top = await bringManifest(reference, ask)
    const children = await walk.children(top.id, top.mediaType)
    if (kindOf(top.mediaType) === 'index') {
      for (const child of ours(children, platform))
        await bringImage({ kind: 'manifest', upstream, repository, pointer: child.digest }, ask)
      return top
    }
    const waiting = [...new Set(children.map((part) => part.digest))]
    const work = async () => {
      for (let digest = waiting.shift(); digest; digest = waiting.shift()) await bringBlob({ upstream, repository }, digest, ask)
    }
    await Promise.all(Array.from({ length: blobsAtOnce }, work))
    const sif = children.find((part) => part.mediaType === sifLayer)
    const id = sif && (await knowledge.idOf(sif.digest))
    return id ? { id, mediaType: sifLayer } : top
  }

  async function bring(target: Target, ask: Ask): Promise<{ id: BlobId; mediaType: string | undefined }> {
    if (target.kind === 'manifest') return bringImage(target, ask)
    if (target.kind === 'image' || target.kind === 'file')
      return { id: (await names.bring(target, ask)).id, mediaType: undefined }
    if (target.kind === 'blob') await bringBlob(target, target.digest, ask)
    return { id: (await digestHere(target, knowledge)).id, mediaType: undefined }
  }

  return async (target, ask) => {
    const { id, mediaType } = await bring(target, ask)
    const stored = await store.stat(id)
    if (!stored) throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
    const facts = mediaType ?? (await knowledge.blob(id))?.mediaType ?? 'application/octet-stream'
    return { id, path: stored.path, size: stored.size, mediaType: facts }
  }
}

/** Of an index: what runs here; where nothing does, all of it. */
function ours(children: readonly Part[], platform: string): readonly Part[] {
  const fitting = children.filter((part) => part.platform === platform || part.platform?.startsWith(`${platform}/`))
  return fitting.length > 0 ? fitting : children
}
