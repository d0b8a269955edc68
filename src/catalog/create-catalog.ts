import type { Mirrors } from '../mirrors/mirrors.ts'
import { Fault } from '../model/fault.ts'
import { isDigest, type UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { AtOnce, BlobStore, Sidecars } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import type { Transfer } from '../transfer/transfer.ts'
import type { Upstreams } from '../upstream/upstream.ts'
import { createBlobs } from './blobs.ts'
import type { Catalog, Linking } from './catalog.ts'
import { createDocuments } from './documents.ts'
import { createGet } from './get.ts'
import { createImages } from './images.ts'
import { createInspect } from './inspect.ts'
import { createKnowledge, type Place } from './knowledge.ts'
import { createLayout } from './layout.ts'
import { createLinks } from './links.ts'
import { createLists, type KnownList } from './lists.ts'
import { createManifests, type HeldManifest } from './manifests.ts'
import { createMetalink } from './metalink.ts'
import { rebuild } from './rebuild.ts'
import { createRemove } from './remove.ts'
import { createResolveTag, type Policy } from './resolve-tag.ts'
import { createRights } from './rights.ts'
import { createVerify } from './verify.ts'
import { createWalk } from './walk.ts'

export interface CatalogDeps {
  readonly store: BlobStore & AtOnce
  readonly sidecars: Sidecars
  readonly records: Records
  readonly transfer: Transfer
  readonly upstreams: Upstreams
  readonly mirrors: Mirrors
  readonly policyOf: (id: UpstreamId) => Policy
  readonly hasher: Pick<Hasher, 'whole' | 'start'>
  readonly clock: Clock
  readonly log: Logger
  readonly answerDeadlineMs: number
  readonly negativeForMs: number
  readonly platform: string // os/arch
  readonly generator: string // name/version, as metalinks say
  readonly ownUrl: () => string | undefined // how clients reach us, without a slash at its end
}

const proveForMs = 2_000

export interface OwnedCatalog extends Catalog {
  /** Settles once what is known of everything fetched so far is written down. Called when no fill runs any more. */
  settled(): Promise<void>
}

/** Puts the verbs together. Records that were lost are rebuilt first. */
export async function createCatalog(deps: CatalogDeps): Promise<OwnedCatalog> {
  const { store, sidecars, records, log } = deps
  const knowledge = createKnowledge({ records, sidecars, now: deps.clock.now })
  const walk = createWalk({ store, knowledge })
  if (records.isNew) await rebuild({ records, store, sidecars, walk, log })

  const documents = createDocuments({ store, knowledge, walk, log })
  const recent = createMemoryCache<string, Fault>({ maxEntries: 10_000, ttlMs: deps.negativeForMs, clock: deps.clock })
  const hot = createMemoryCache<string, HeldManifest>({ maxEntries: 20_000 })
  const lists = createMemoryCache<string, KnownList>({ maxEntries: 2_000 })
  const tagDeps = { ...deps, knowledge, documents, recent }

  const resolveTag = createResolveTag(tagDeps)
  const manifests = createManifests({ ...tagDeps, resolveTag, hot, flights: createSingleFlight() })
  const blobs = createBlobs({ ...deps, rights: createRights({ ...deps, knowledge }), knowledge })
  const links = createLinks({ ...deps, knowledge, blobs, proveForMs })
  const isPublic = ({ upstream }: Place) => deps.upstreams(upstream).isPublic
  const imageLinks = createLayout({ manifests, documents, isPublic, links, platform: deps.platform })
  const linking: Pick<Linking, 'home' | 'fileLinks' | 'imageLinks'> = {
    async home(digest) {
      const place = await knowledge.homeOf(digest)
      if (!place) throw new Fault('not-found', { what: digest, asked: ['this store'] })
      return { kind: 'blob', ...place, digest }
    },
    fileLinks: links.ofBlob,
    imageLinks,
  }
  const forgotten = () => hot.clear()

  return {
    resolve: (reference, ask) => (reference.kind === 'blob' ? blobs.resolve(reference, ask) : manifests.resolve(reference, ask)),
    openAtOnce: (reference) => (reference.kind === 'manifest' ? manifests.openAtOnce(reference) : undefined),
    open: (reference, ask) => (reference.kind === 'blob' ? blobs.open(reference, ask) : manifests.open(reference, ask)),
    ...createLists({ ...deps, cache: lists, flights: createSingleFlight() }),
    images: createImages({ records, store, knowledge, walk }),
    inspect: createInspect({ ...deps, knowledge, walk }),
    get: createGet({ ...deps, manifests, blobs, knowledge, walk }),
    ...createRemove({ ...deps, knowledge, walk, forgotten }),
    verify: createVerify({ ...deps, knowledge, walk, forgotten }),
    places: deps.mirrors.proved,
    async meaning(reference, ask) {
      return isDigest(reference.pointer) ? reference.pointer : (await manifests.resolve(reference, ask)).artifact.digests[0]!
    },
    ...linking,
    metalink: createMetalink({ ...deps, catalog: linking, now: deps.clock.now }),
    mirrors: async () => deps.mirrors.list(),
    get linksVersion() {
      return `${deps.mirrors.version} ${knowledge.version}`
    },
    settled: blobs.settled,
  }
}
