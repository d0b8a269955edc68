import { randomInt } from 'node:crypto'
import type { Mirrors } from '../mirrors/mirrors.ts'
import type { BlobId } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { type BlobReference, isDigest, type NameReference, placeOf, printReference, type UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { AtOnce, BlobStore, Sidecars } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import type { Transfer } from '../transfer/transfer.ts'
import type { AdmittingOf, Described, LookupsOf, NamedUpstreams, TagLists, Upstreams } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import { createBlobs } from './blobs.ts'
import { createCallerRights } from './caller-rights.ts'
import type { Catalog, Linking } from './catalog.ts'
import type { Signatures } from './create-signatures.ts'
import { createDocuments } from './documents.ts'
import { createFieldFacts } from './field-facts.ts'
import { createGet } from './get.ts'
import { createGetFiles } from './get-files.ts'
import { createHeldNames } from './held-names.ts'
import { createIdentities } from './identities.ts'
import { createImages } from './images.ts'
import { createInspect } from './inspect.ts'
import { createKnowledge, type Knowledge, type Place, parsePlace } from './knowledge.ts'
import { createLayout } from './layout.ts'
import { createLinks } from './links.ts'
import { createLists, type KnownList } from './lists.ts'
import { createLookups, type KnownLookup } from './lookups.ts'
import { createManifests, type HeldManifest } from './manifests.ts'
import { createMetalink, fileNameOf } from './metalink.ts'
import type { MayLearn } from './named-places.ts'
import { createNames } from './names.ts'
import { createNotes } from './notes.ts'
import { createOrigins } from './origins.ts'
import { createPins } from './pins.ts'
import { rebuild } from './rebuild.ts'
import { createRemove } from './remove.ts'
import { createResolveTag } from './resolve-tag.ts'
import { createRights } from './rights.ts'
import { createShubSearch } from './shub-search.ts'
import { createSignatureOf } from './signature-of.ts'
import { createSoundStore } from './sound-store.ts'
import { printTarget } from './target.ts'
import { createVerify } from './verify.ts'
import { createWalk } from './walk.ts'

export interface CatalogDeps {
  readonly store: BlobStore & AtOnce
  readonly sidecars: Sidecars
  readonly records: Records
  /** Shared by those that work on the same store; made of the records unless said. */
  readonly knowledge?: Knowledge
  readonly transfer: Transfer
  readonly upstreams: Upstreams
  readonly named: NamedUpstreams
  readonly tagLists: TagLists
  readonly lookupsOf: LookupsOf
  readonly admitting: AdmittingOf
  readonly mirrors: Mirrors
  readonly mayLearn: MayLearn
  readonly described: Described
  readonly policyOf: (id: UpstreamId) => Policy
  readonly signatures: Signatures
  readonly hasher: Pick<Hasher, 'whole' | 'start'>
  readonly clock: Clock
  readonly log: Logger
  readonly answerDeadlineMs: number
  readonly negativeForMs: number
  readonly platform: string // os/arch
  readonly generator: string // name/version, as metalinks say
  readonly pins: readonly string[] // patterns of the settings
  readonly ownUrl: () => string | undefined // how clients reach us, without a slash at its end
}

const proveForMs = 2_000
const lookupBytesKept = 32 * 1024 * 1024

export interface OwnedCatalog extends Catalog {
  /** Settles once what is known of everything fetched so far is written down. Called when no fill runs any more. */
  settled(): Promise<void>
  /** What a store must know before it lets anything go, and is to tell afterwards. */
  readonly eviction: {
    readonly isPinned: (id: BlobId) => boolean
    readonly evicting: () => Promise<void>
    readonly evicted: (id: BlobId) => void
  }
}

/** Puts the verbs together. Records that were lost are rebuilt first. */
export async function createCatalog(given: CatalogDeps): Promise<OwnedCatalog> {
  const { sidecars, records, signatures, log } = given
  const knowledge = given.knowledge ?? createKnowledge({ records, sidecars, now: given.clock.now })
  const store = createSoundStore({
    store: given.store,
    sizeOf: async (id) => (await knowledge.blob(id))?.size,
    vanished: knowledge.forgetBlob,
    log,
  })
  const deps = { ...given, store }
  const walk = createWalk({ store, knowledge })
  if (records.isNew) await rebuild({ records, store, sidecars, walk, log })

  const pins = await createPins({ records, sidecars, knowledge, walk, configured: deps.pins })
  const documents = createDocuments({ store, knowledge, walk, log })
  const recent = createMemoryCache<string, Fault>({ maxEntries: 10_000, ttlMs: deps.negativeForMs, clock: deps.clock })
  let hitsVersion = randomInt(2 ** 47) // of two catalogs, one after the other, neither is taken for the other
  const hot = createMemoryCache<string, HeldManifest>({ maxEntries: 20_000 })
  const lists = createMemoryCache<string, KnownList>({ maxEntries: 2_000 })
  const lookups = createMemoryCache<string, KnownLookup>({
    maxBytes: lookupBytesKept,
    sizeOf: ({ found }) => (found?.body.length ?? 0) + 500,
  })
  const identities = createIdentities()
  const tagDeps = { ...deps, knowledge, documents, recent, identities }

  const resolveTag = createResolveTag(tagDeps)
  const manifests = createManifests({ ...tagDeps, resolveTag, hot, flights: createSingleFlight() })
  const origins = createOrigins(deps.upstreams, deps.named, knowledge)
  const notes = createNotes({ ...deps, knowledge })
  const blobs = createBlobs({ ...deps, origins, notes, rights: createRights({ ...deps, origins, knowledge }), knowledge })
  const names = createNames({ ...tagDeps, notes, blobs })
  const lookup = createLookups({ ...deps, cache: lookups, identities })
  const links = createLinks({ ...deps, knowledge, blobs, proveForMs })
  const isPublic = ({ upstream }: Place) => origins.isPublic(upstream)
  const imageLinks = createLayout({ manifests, documents, isPublic, links, platform: deps.platform })
  const linking: Pick<Linking, 'homes' | 'fileLinks' | 'imageLinks'> = {
    async homes(digest) {
      const id = await knowledge.idOf(digest)
      const found: BlobReference[] = []
      // What has another digest too may be known by the sha256 alone.
      for (const name of new Set([digest, id])) {
        const place = name && (await knowledge.homeOf(name))
        if (place) found.push({ kind: 'blob', ...place, digest: name })
      }
      const { repositories = [] } = (id && (await knowledge.blob(id))) ?? {}
      return found.concat(repositories.map((place) => ({ kind: 'blob', ...parsePlace(place), digest: id! })))
    },
    async fileLinks(reference, ask) {
      if (reference.kind === 'blob') return links.ofBlob(reference, ask)
      const digest = (await names.resolve(reference, ask)).artifact.digests[0] ?? unhashed(reference)
      const file = await links.ofBlob({ kind: 'blob', ...placeOf(reference), digest }, ask)
      return { ...file, name: fileNameOf(reference) }
    },
    imageLinks,
  }
  const forgotten = () => {
    hot.clear()
    hitsVersion++
    signatures.forget()
  }

  return {
    async resolve(reference, ask) {
      if (reference.kind === 'blob') return blobs.resolve(reference, ask)
      return reference.kind === 'manifest' ? manifests.resolve(reference, ask) : names.resolve(reference, ask)
    },
    openAtOnce: (reference) => (reference.kind === 'manifest' ? manifests.openAtOnce(reference) : undefined),
    async open(reference, ask) {
      if (reference.kind === 'blob') return blobs.open(reference, ask)
      return reference.kind === 'manifest' ? manifests.open(reference, ask) : names.open(reference, ask)
    },
    told: names.told,
    hashed: names.hashed,
    held: names.held,
    lookup,
    ...createShubSearch({ ...deps, names, lookup }),
    ...createCallerRights({ ...deps, identities, knowledge }),
    heldNames: createHeldNames({ records, names }),
    ...createLists({ ...deps, identities, cache: lists, flights: createSingleFlight() }),
    images: createImages({ records, store, knowledge, walk, pins }),
    inspect: createInspect({ ...deps, knowledge, walk }),
    get: createGet({ ...deps, manifests, names, blobs, notes, knowledge, walk }),
    getFiles: createGetFiles({ ...deps, notes, knowledge }),
    ...createRemove({ ...deps, knowledge, walk, pins, forgotten }),
    // What is bad is to be told, not only put aside.
    verify: createVerify({ ...given, knowledge, walk: createWalk({ store: given.store, knowledge }), forgotten }),
    places: deps.mirrors.proved,
    async meaning(reference, ask) {
      if (reference.kind !== 'manifest') return (await names.resolve(reference, ask)).artifact.digests[0] ?? unhashed(reference)
      return isDigest(reference.pointer) ? reference.pointer : (await manifests.resolve(reference, ask)).artifact.digests[0]!
    },
    ...linking,
    ...createFieldFacts({ ...deps, knowledge }),
    signature: createSignatureOf({ ...deps, knowledge, blobs, notes }),
    isSigning: signatures.isSigning,
    sign: signatures.document,
    metalink: createMetalink({ ...deps, catalog: linking, now: deps.clock.now, sign: signatures.document }),
    mirrors: async () => deps.mirrors.list(),
    get linksVersion() {
      return `${deps.mirrors.version} ${knowledge.version} ${signatures.version}`
    },
    get hitsVersion() {
      return hitsVersion
    },
    pin: (what) => pins.pin(printTarget(what)),
    unpin: (what) => pins.unpin(printTarget(what)),
    settled: notes.settled,
    eviction: {
      isPinned: pins.has,
      evicting: pins.look,
      evicted(id) {
        hot.clear()
        hitsVersion++
        signatures.forget(id)
        knowledge.forgetBlob(id).catch((error) => log.warn('store.forget', { digest: id, error }))
      },
    },
  }
}

function unhashed(reference: NameReference): never {
  throw new Fault('not-found', {
    what: `a hash of ${printReference(reference)}, which is known once it was fetched,`,
    asked: ['this store'],
  })
}
