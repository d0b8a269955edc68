import { parseManifest } from '../formats/oci.ts'
import type { BlobId, Digest } from '../model/digest.ts'
import { isFault } from '../model/fault.ts'
import { kindOf } from '../model/media-type.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Knowledge } from './knowledge.ts'

const deepest = 8 // indexes may nest; nobody nests them this far
const largestDocument = 16 * 1024 * 1024

export interface Part {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number // bytes, as the document that names it says
  readonly platform: string | undefined // os/arch[/variant]
  readonly urls: readonly string[] // other places of it, as the document says
  readonly stored: StoredBlob | undefined
}

export interface WalkDeps {
  readonly store: Pick<BlobStore, 'stat' | 'open'>
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob'>
}

/** Reads the manifests held here. */
export interface Walk {
  /** What a held manifest names directly; empty for anything else. */
  children(id: BlobId, mediaType: string | undefined): Promise<readonly Part[]>
  /** Everything below it, each once, parents before children. */
  below(id: BlobId, mediaType: string | undefined): Promise<readonly Part[]>
}

export function createWalk({ store, knowledge }: WalkDeps): Walk {
  /** Undefined also where it cannot be read: what it names is not known then. */
  async function document(id: BlobId): Promise<Uint8Array | undefined> {
    try {
      return await read(id)
    } catch (error) {
      if (isFault(error, 'disk-failed')) return undefined
      throw error
    }
  }

  async function read(id: BlobId): Promise<Uint8Array | undefined> {
    await using source = await store.open(id)
    if (!source || source.size === undefined || source.size > largestDocument) return undefined
    const bytes = new Uint8Array(source.size)
    const signal = new AbortController().signal
    for (let at = 0; at < bytes.length; ) {
      const read = await source.read(bytes.subarray(at), at, signal)
      if (read === 0) return undefined
      at += read
    }
    return bytes
  }

  async function children(id: BlobId, mediaType: string | undefined): Promise<readonly Part[]> {
    const bytes = kindOf(mediaType) === 'blob' ? undefined : await document(id)
    if (!bytes) return []
    try {
      return await Promise.all(
        parseManifest(bytes, mediaType).children.map(async ({ digest, mediaType, size, platform, urls }) => {
          const child = await knowledge.idOf(digest)
          return {
            digest,
            mediaType,
            size,
            platform: platform && printPlatform(platform),
            urls,
            stored: child && (await store.stat(child)),
          }
        }),
      )
    } catch (error) {
      if (isFault(error)) return []
      throw error
    }
  }

  async function below(id: BlobId, mediaType: string | undefined): Promise<readonly Part[]> {
    const found = new Map<Digest, Part>()
    let level = await children(id, mediaType)
    for (let depth = 0; level.length > 0 && depth < deepest; depth++) {
      const fresh = level.filter((part) => !found.has(part.digest))
      for (const part of fresh) found.set(part.digest, part)
      const next = fresh.map((part) => (part.stored ? children(part.stored.id, part.mediaType) : []))
      level = (await Promise.all(next)).flat()
    }
    return [...found.values()]
  }

  return { children, below }
}

function printPlatform({ os, architecture, variant }: { os: string; architecture: string; variant?: string }): string {
  return [os, architecture, variant].filter(Boolean).join('/')
}
