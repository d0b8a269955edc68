import { arch } from 'node:os'
import type { Catalog } from '../catalog/catalog.ts'
import { createCatalog } from '../catalog/create-catalog.ts'
import type { Config, UpstreamSettings } from '../config/load.ts'
import { createMirrors, type Place } from '../mirrors/create-mirrors.ts'
import { reporting } from '../mirrors/reporting.ts'
import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { createKeyvRecords } from '../records/keyv-records.ts'
import { acquireStoreLock, networkFileSystem } from '../records/lock.ts'
import { createDiskStore } from '../store/disk-store.ts'
import { createHotStore } from '../store/hot-store.ts'
import { createSidecars } from '../store/sidecars.ts'
import { createUsage } from '../store/usage.ts'
import { type Clock, systemClock } from '../system/clock.ts'
import { readBootId } from '../system/files.ts'
import { createHasher } from '../system/hasher.ts'
import { createHttp, type Http } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { createMetrics, type Metrics } from '../system/metrics.ts'
import { createTransfer } from '../transfer/local-transfer.ts'
import type { Transfer } from '../transfer/transfer.ts'
import { type CredentialSource, dockerConfigCredentials } from '../upstream/credentials.ts'
import { createDiscovery } from '../upstream/discovery.ts'
import { createFileTree } from '../upstream/file-tree.ts'
import { createOciUpstream } from '../upstream/oci.ts'
import { createPlainReader } from '../upstream/plain.ts'
import type { OciUpstream, Upstreams } from '../upstream/upstream.ts'

/** Everything below the edge and the command line, built once. */
export interface House {
  readonly catalog: Catalog
  readonly transfer: Pick<Transfer, 'list'>
  readonly metrics: Metrics
  /** Lets fills go on until the signal aborts, keeps the rest as spools, and gives the store up. */
  close(signal: AbortSignal): Promise<void>
}

export interface Surroundings {
  readonly log: Logger
  readonly version: string
  readonly clock?: Clock
  /** How clients reach the server, where that is known only once it listens. */
  readonly publicUrl?: () => string | undefined
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

/** @throws Fault 'store-locked' when another process owns the store, 'disk-failed' */
export async function openHouse(
  config: Config,
  { log, version, clock = systemClock, ...surroundings }: Surroundings,
): Promise<House> {
  const lock = acquireStoreLock(config.store.path)
  const network = networkFileSystem(config.store.path)
  if (network) log.warn('store.network', { path: config.store.path, fileSystem: network, why: 'one server at a time may use it' })

  const metrics = createMetrics()
  const hasher = createHasher()
  const http = createHttp(outboundSettings(config, version))
  const records = await createKeyvRecords({ url: config.records.url, log })
  const usage = createUsage({ clock, log })
  const disk = await createDiskStore({ path: config.store.path, clock, log, usage, bootId: await readBootId() })
  const store = createHotStore({ store: disk, maxBytes: config.store.memory, now: clock.now })
  metrics.gauge('store_bytes', 'Bytes of all blobs held', () => usage.bytes)
  metrics.gauge('store_blobs', 'Blobs held', () => usage.blobs)
  const sidecars = createSidecars({ path: config.store.path, log })
  const upstreams = createUpstreams(config, http, clock, log)
  const plain = createPlainReader(http)
  const tree = createFileTree()
  const atFile = (url: URL) => url.protocol === 'file:'
  const readerOf = ({ place, url, via }: Source) => (place === undefined ? upstreams(via) : atFile(url) ? tree : plain)
  const mirrors = createMirrors({
    places: placesOf(config),
    here: config.site,
    clock,
    sizeAt: (source, signal) => (atFile(source.url) ? tree : plain).sizeAt(source, signal),
  })
  const transfer = createTransfer({
    discover: createDiscovery(http),
    ...config.transfer,
    lingerMs: config.transfer.linger,
    store,
    hasher,
    clock,
    log,
    metrics,
    wrong: (source, fault) => mirrors.report(source, { kind: 'fault', fault }),
    read: reporting((source, want, signal) => readerOf(source).read(source, want, signal), mirrors.report, clock.now),
  })
  const catalog = await createCatalog({
    store,
    sidecars,
    records,
    transfer,
    upstreams,
    mirrors,
    policyOf: (id) => policyOf(config, id),
    hasher,
    clock,
    log,
    answerDeadlineMs: config.catalog.answerDeadline,
    negativeForMs: config.catalog.negativeFor,
    ownUrl: surroundings.publicUrl ?? (() => publicUrlOf(config)),
    generator: `forebay/${version}`,
    platform: `linux/${architectures[arch()] ?? arch()}`,
  })

  const stopCounting = usage.watch(disk)

  return {
    catalog,
    transfer,
    metrics,
    async close(signal) {
      await transfer.close(signal)
      await catalog.settled()
      await http.close()
      await hasher.close()
      await stopCounting()
      await store.close()
      await records[Symbol.asyncDispose]()
      lock.release()
    },
  }
}

/** Without a slash at its end. Not set: the first listener, unless that is one for every address; `actual` is its URL. */
export function publicUrlOf({ publicUrl, listen: [first] }: Config, actual?: string): string | undefined {
  const isForAll = first === undefined || first.host === '0.0.0.0' || first.host === '::'
  const guessed = isForAll ? undefined : (actual ?? (first.port > 0 ? `http://${first.host}:${first.port}` : undefined))
  return (publicUrl?.href ?? guessed)?.replace(/\/+$/, '')
}

function outboundSettings(config: Config, version: string) {
  const { outbound } = config
  return {
    origins: [...config.upstreams.values()].flatMap(({ url, mirrors }) => [url, ...mirrors.map((mirror) => mirror.url)]),
    allow: outbound.allow,
    proxies: outbound.proxies,
    ca: outbound.ca,
    connectTimeoutMs: outbound.connectTimeout,
    headersTimeoutMs: outbound.headersTimeout,
    idleTimeoutMs: outbound.idleTimeout,
    userAgent: `forebay/${version}`,
  }
}

/** Mirrors, and after them the upstreams that ask for no login: those clients may be told of, if they answer anybody. */
function placesOf(config: Config): readonly Place[] {
  return [...config.upstreams.values()].flatMap(({ id, url, credentials, mirrors }): Place[] => [
    ...mirrors.map(({ kind, url, priority, country, site, listed }) => ({
      upstream: id,
      kind,
      url,
      priority,
      country,
      site,
      isListed: listed,
    })),
    {
      upstream: id,
      kind: 'origin',
      url,
      priority: Number.POSITIVE_INFINITY,
      country: undefined,
      site: undefined,
      isListed: credentials === undefined,
    },
  ])
}

function createUpstreams(config: Config, http: Http, clock: Clock, log: Logger): Upstreams {
  const upstreams = new Map<UpstreamId, OciUpstream>()
  for (const [id, settings] of config.upstreams) {
    const { url, maxConnections, tokenServices } = settings
    const isPublic = settings.credentials === undefined
    const credentials = credentialsOf(settings, log)
    upstreams.set(id, createOciUpstream({ id, url, http, clock, credentials, isPublic, maxConnections, realms: tokenServices }))
  }
  return (id) => {
    const upstream = upstreams.get(id)
    if (!upstream) throw new Fault('upstream-unknown', { name: id })
    return upstream
  }
}

function credentialsOf({ credentials, url }: UpstreamSettings, log: Logger): CredentialSource {
  if (!credentials) return async () => undefined
  if ('dockerConfig' in credentials) return dockerConfigCredentials(credentials.dockerConfig, url.host, log)
  return async () => ({ kind: 'password', username: credentials.username, password: credentials.password.read() })
}

function policyOf(config: Config, id: UpstreamId) {
  const settings = config.upstreams.get(id)
  if (!settings) throw new Fault('upstream-unknown', { name: id })
  return { freshForMs: settings.freshFor, staleIfErrorMs: settings.staleIfError, isOffline: settings.offline }
}
