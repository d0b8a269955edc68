import { join } from 'node:path'
import type { Policy } from '../../../src/catalog/answers.ts'
import type { Catalog, Opened } from '../../../src/catalog/catalog.ts'
import { createCatalog } from '../../../src/catalog/create-catalog.ts'
import { createSignatures } from '../../../src/catalog/create-signatures.ts'
import { createKnowledge, type Knowledge } from '../../../src/catalog/knowledge.ts'
import { createWalk, type Walk } from '../../../src/catalog/walk.ts'
import { createMirrors } from '../../../src/mirrors/create-mirrors.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createKeyvRecords } from '../../../src/records/keyv-records.ts'
import type { Records } from '../../../src/records/records.ts'
import type { BlobStore, Sidecars } from '../../../src/store/blob-store.ts'
import { createDiskStore } from '../../../src/store/disk-store.ts'
import { createHotStore } from '../../../src/store/hot-store.ts'
import { createSidecars } from '../../../src/store/sidecars.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { createHasher, type Hasher } from '../../../src/system/hasher.ts'
import { createMetrics } from '../../../src/system/metrics.ts'
import { createOpenPgp } from '../../../src/system/openpgp.ts'
import { createTransfer } from '../../../src/transfer/local-transfer.ts'
import { collect } from '../../kit/bytes.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { hub } from '../../kit/questions.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { tempFolder } from '../../kit/temp-folder.ts'
import { createScriptedFiles, type ScriptedFiles } from './scripted-files.ts'
import { createScriptedUpstream, type ScriptedUpstream } from './scripted-upstream.ts'

export const second = 1000
export const minute = 60 * second
export const policy: Policy = { freshForMs: 10 * minute, staleIfErrorMs: 60 * minute, isOffline: false }
export const answerDeadlineMs = 2 * second
export const negativeForMs = 10 * second
export const quay = 'quay.example' as UpstreamId
export const vault = 'vault.example' as UpstreamId
export const data = 'data' as UpstreamId

/** A catalog over a real store, real records and real fills; only the upstreams and the time are a test's own. */
export interface CatalogHouse extends AsyncDisposable {
  readonly path: string
  readonly clock: HandClock
  readonly log: RecordedLog
  readonly hub: ScriptedUpstream // public
  readonly quay: ScriptedUpstream // public
  readonly vault: ScriptedUpstream // wants credentials
  readonly files: ScriptedFiles // public, known as data
  readonly policies: Map<UpstreamId, Policy>
  readonly catalog: Catalog
  readonly store: BlobStore
  readonly sidecars: Sidecars
  readonly records: Records
  readonly knowledge: Knowledge
  readonly walk: Walk
  /** Closes all and opens it on the same folder; `lost`: with the records deleted. */
  restart(options?: { lost?: boolean }): Promise<void>
  /** Settles once what was fetched is written down. */
  settled(): Promise<void>
}

interface Built {
  readonly catalog: Catalog
  readonly store: BlobStore
  readonly sidecars: Sidecars
  readonly records: Records
  readonly knowledge: Knowledge
  readonly walk: Walk
  readonly settled: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function createCatalogHouse(): Promise<CatalogHouse> {
  const folder = await tempFolder()
  const clock = createHandClock(Date.now() + minute) // later than the times of files, which are the system's
  const log = createRecordedLog()
  const hasher = createHasher()
  const upstreams = new Map<UpstreamId, ScriptedUpstream>([
    [hub, createScriptedUpstream(hub, clock)],
    [quay, createScriptedUpstream(quay, clock)],
    [vault, createScriptedUpstream(vault, clock, false)],
  ])
  const files = createScriptedFiles(data)
  const policies = new Map<UpstreamId, Policy>()
  const build = (generation: number) => open({ folder: folder.path, generation, clock, log, hasher, upstreams, files, policies })
  let generation = 0
  let built = await build(generation)
  return {
    path: folder.path,
    clock,
    log,
    policies,
    hub: upstreams.get(hub)!,
    quay: upstreams.get(quay)!,
    vault: upstreams.get(vault)!,
    files,
    get catalog() {
      return built.catalog
    },
    get store() {
      return built.store
    },
    get sidecars() {
      return built.sidecars
    },
    get records() {
      return built.records
    },
    get knowledge() {
      return built.knowledge
    },
    get walk() {
      return built.walk
    },
    settled: () => built.settled(),
    async restart({ lost = false } = {}) {
      await built.close()
      if (lost) generation++
      built = await build(generation)
    },
    async [Symbol.asyncDispose]() {
      await built.close()
      await hasher.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

interface Parts {
  readonly folder: string
  readonly generation: number // of the records
  readonly clock: HandClock
  readonly log: RecordedLog
  readonly hasher: Hasher
  readonly upstreams: ReadonlyMap<UpstreamId, ScriptedUpstream>
  readonly files: ScriptedFiles
  readonly policies: ReadonlyMap<UpstreamId, Policy>
}

async function open({ folder, generation, clock, log, hasher, upstreams, files, policies }: Parts): Promise<Built> {
  const upstreamOf = (id: UpstreamId) => {
    const upstream = upstreams.get(id)
    if (!upstream) throw new Fault('upstream-unknown', { name: id })
    return upstream
  }
  const records = await createKeyvRecords({ url: `sqlite:${join(folder, `records-${generation}.db`)}`, log })
  const disk = await createDiskStore({ path: folder, clock, log, bootId: 'boot' })
  const store = createHotStore({ store: disk, now: clock.now, maxBytes: 1024 * 1024 })
  const sidecars = createSidecars({ path: folder, log })
  const nowhere = async () => []
  const openpgp = createOpenPgp({ key: undefined, rings: new Map() })
  const signatures = createSignatures({
    openpgp,
    siteKey: undefined,
    trusted: new Map(),
    sidecars,
    find: { at: nowhere, linked: nowhere, inMetalink: nowhere, beside: nowhere },
    negativeForMs,
    clock,
    log,
  })
  const transfer = createTransfer({
    supply: () => ({
      approve: signatures.approve,
      discover: async () => ({ pieces: undefined, sources: [] }),
      mayPass: () => true,
      lingerMs: minute,
      wrong: () => {},
      read: (source, want, signal) => (source.via === data ? files : upstreamOf(source.via)).read(source, want, signal),
    }),
    store,
    hasher,
    clock: systemClock,
    log,
    metrics: createMetrics(),
    maxFills: 8,
    maxQueued: 100,
  })
  const catalog = await createCatalog({
    store,
    sidecars,
    records,
    transfer,
    upstreams: upstreamOf,
    named: (id) => (id === data ? files : undefined),
    tagLists: upstreamOf,
    lookupsOf: () => undefined,
    admitting: { registry: () => undefined, named: () => undefined },
    generator: 'forebay/test',
    pins: [],
    ownUrl: () => 'http://forebay.example',
    mirrors: createMirrors({ places: [], here: {}, clock, sizeAt: async () => undefined }),
    mayLearn: ({ protocol }) => protocol === 'https:',
    signatures,
    described: { read: async () => Promise.reject(new Error('asked')), sourcesOf: () => [] },
    policyOf: (id) => policies.get(id) ?? policy,
    hasher,
    clock,
    log,
    answerDeadlineMs,
    negativeForMs,
    platform: 'linux/amd64',
  })
  const knowledge = createKnowledge({ records, sidecars, now: clock.now })
  return {
    catalog,
    store,
    sidecars,
    records,
    knowledge,
    walk: createWalk({ store, knowledge }),
    settled: () => catalog.settled(),
    async close() {
      await transfer.close(AbortSignal.abort())
      await catalog.settled()
      await openpgp.close()
      await store.close()
      await records[Symbol.asyncDispose]()
    },
  }
}

export async function readAll(opening: Promise<Opened>): Promise<Buffer> {
  const { bytes } = await opening
  try {
    return await collect(bytes)
  } finally {
    await bytes[Symbol.asyncDispose]()
  }
}
