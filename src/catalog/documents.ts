import { createHash } from 'node:crypto'
import { parseManifest } from '../formats/oci.ts'
import type { Artifact } from '../model/artifact.ts'
import { type BlobId, type Digest, digestOf } from '../model/digest.ts'
import type { MemberFacts } from '../model/facts.ts'
import { isFault } from '../model/fault.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import { type Knowledge, type Place, printPlace } from './knowledge.ts'
import { memberFactsOf } from './members.ts'
import type { Walk } from './walk.ts'

export interface DocumentsDeps {
  readonly store: Pick<BlobStore, 'stat' | 'stage'>
  readonly knowledge: Knowledge
  readonly walk: Pick<Walk, 'children'>
  readonly log: Logger
}

/** Keeps manifests: their bytes as a blob, and that the repository has everything they name. */
export interface Documents {
  /** A full or broken disk is logged, not thrown: the answer in hand is still good. */
  keep(place: Place, artifact: Artifact, document: Uint8Array, isPublic: boolean): Promise<void>
  /** Stores a document we made ourselves, as the repository's. @throws Fault 'disk-full', 'disk-failed' */
  keepOwn(place: Place, document: Uint8Array, isPublic: boolean): Promise<BlobId>
  /** A manifest held from elsewhere is this repository's too, as a manifest of it says: then so is all that it names. */
  adopt(place: Place, id: BlobId): Promise<void>
}

export function createDocuments({ store, knowledge, walk, log }: DocumentsDeps): Documents {
  const flights = createSingleFlight<BlobId, void>()

  async function write(id: BlobId, document: Uint8Array): Promise<void> {
    if (await store.stat(id)) return
    await using spool = await store.stage(id, document.length)
    if (spool.held.total > 0) await spool.reset()
    await spool.write(0, [document])
    await spool.commit(id)
  }

  async function writeOnce(document: Uint8Array): Promise<BlobId> {
    const id = digestOf('sha256', createHash('sha256').update(document).digest('hex')) as BlobId
    await flights.run(id, new AbortController().signal, () => write(id, document))
    return id
  }

  async function keep(place: Place, artifact: Artifact, document: Uint8Array, isPublic: boolean): Promise<void> {
    const id = await writeOnce(document)
    await knowledge.addMembers(place, membersOf(artifact, id, document))
    await knowledge.addBlob(
      { id, size: document.length },
      {
        mediaType: artifact.mediaType,
        repositories: [printPlace(place)],
        isPublic,
        aliases: artifact.digests.filter((digest) => digest !== id),
      },
    )
  }

  async function adopt(place: Place, id: BlobId): Promise<void> {
    const known = await knowledge.blob(id)
    if (!known || known.repositories.includes(printPlace(place))) return
    const named = await walk.children(id, known.mediaType)
    await knowledge.addMembers(
      place,
      named.map((part) => [part.digest, memberFactsOf(part)] as const),
    )
    await knowledge.addBlob({ id, size: known.size }, { ...known, repositories: [printPlace(place)] })
  }

  async function unlessDiskFails(digest: Digest | undefined, work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (!isFault(error, 'disk-full', 'disk-failed')) throw error
      log.error('document.keep', { digest, error })
    }
  }

  return {
    async keepOwn(place, document, isPublic) {
      const id = await writeOnce(document)
      const mediaType = 'application/json'
      await knowledge.addMembers(place, [[id, { size: document.length, mediaType }]])
      await knowledge.addBlob(
        { id, size: document.length },
        { mediaType, repositories: [printPlace(place)], isPublic, aliases: [] },
      )
      return id
    },
    keep: (place, artifact, document, isPublic) =>
      unlessDiskFails(artifact.digests[0], keep(place, artifact, document, isPublic)),
    adopt: (place, id) => unlessDiskFails(id, adopt(place, id)),
  }
}

function membersOf(artifact: Artifact, id: BlobId, document: Uint8Array) {
  const own = [id, ...artifact.digests].map(
    (digest) => [digest, { size: document.length, mediaType: artifact.mediaType }] as const,
  )
  return [...own, ...namedBy(document, artifact.mediaType)]
}

/** What a manifest names, with what it says of each; nothing for documents of a kind we cannot read. */
export function namedBy(document: Uint8Array, mediaType: string | undefined): readonly (readonly [Digest, MemberFacts])[] {
  try {
    return parseManifest(document, mediaType).children.map((child) => [child.digest, memberFactsOf(child)] as const)
  } catch (error) {
    if (isFault(error, 'upstream-invalid', 'digest-invalid')) return []
    throw error
  }
}
