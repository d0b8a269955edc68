import { createCatalog, type OwnedCatalog } from '../catalog/create-catalog.ts'
import { createSignatures } from '../catalog/create-signatures.ts'
import type { Config, UpstreamSettings } from '../config/config.ts'
import { createMirrors, type Place } from '../mirrors/create-mirrors.ts'
import type { OriginKind } from '../mirrors/places.ts'
import { reporting } from '../mirrors/reporting.ts'
import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { createHttp } from '../system/http.ts'
import { machineArch } from '../system/machine.ts'
import { createUses, type Uses } from '../system/uses.ts'
import type { Supply } from '../transfer/supply.ts'
import type { Transfer } from '../transfer/transfer.ts'
import { bounded } from '../upstream/bounded.ts'
import type { Budget } from '../upstream/budget.ts'
import { createDescribed } from '../upstream/described.ts'
import { createDiscovery } from '../upstream/discovery.ts'
import { createFileTree } from '../upstream/file-tree.ts'
import { createPlainReader } from '../upstream/plain.ts'
import { createSignatureFinder } from '../upstream/signatures.ts'
import type { Ground } from './ground.ts'
import { openKeys } from './open-keys.ts'
import { createUpstreams } from './upstreams.ts'

/** What settings decide: built anew when they change, on a ground that stays. */
export interface Upper {
  readonly catalog: OwnedCatalog
  /** For fills that begin now. */
  readonly supply: Supply
  /** Requests, and fills that began with it. */
  readonly uses: Uses
  /** What registries say that they may still be asked. */
  readonly budgets: ReadonlyMap<UpstreamId, Pick<Budget, 'told'>>
  /** Others wrote what it may have in memory otherwise. */
  refresh(): void
  /** Once: waits until what is known is written down, and asks nobody any more. */
  close(): Promise<void>
}

export interface Beside {
  readonly transfer: Transfer
  /** How clients reach the server. */
  readonly publicUrl: () => string | undefined
  /** Would a question there come back to us? */
  readonly isOwn: (url: URL) => boolean
  /** The one of the newest settings. */
  readonly latest: () => Pick<Upper, 'supply'>
}

/** @throws Fault 'config-invalid' for keys of no use */
export async function composeUpper(
  config: Config,
  { store, sidecars, records, knowledge, hasher, clock, steady, log, version }: Ground,
  { transfer, publicUrl, isOwn, latest }: Beside,
): Promise<Upper> {
  const { openpgp, siteKey, trusted } = await openKeys(config)
  const http = createHttp({ ...outboundSettings(config, version), isOwn })
  const { upstreams, named, tagLists, lookupsOf, readerVia, budgets, admitting } = createUpstreams(config, http, steady, log)
  const plain = createPlainReader(http, config.outbound.maxPerMirror)
  const tree = createFileTree()
  const atFile = (url: URL) => url.protocol === 'file:'
  const readerOf = ({ place, url, via }: Source) => (place === undefined ? readerVia(via) : atFile(url) ? tree : plain)
  const mirrors = createMirrors({
    places: placesOf(config),
    here: config.site,
    clock: steady,
    isOwn,
    sizeAt: (source, signal) => (atFile(source.url) ? tree : plain).sizeAt(source, signal),
  })
  const described = createDescribed(http)
  const readAny = bounded((source, want, signal) => readerOf(source).read(source, want, signal), config.outbound.maxBodies)
  const read = described.reading(readAny)
  const signatures = createSignatures({
    openpgp,
    siteKey,
    trusted,
    sidecars,
    find: createSignatureFinder({
      http,
      read: (source, want, signal) => readerOf(source).read(source, want, signal),
      isPlain: ({ via }) => config.upstreams.get(via)?.kind === 'files',
    }),
    negativeForMs: config.catalog.negativeFor,
    clock,
    log,
  })
  const uses = createUses()
  const ownRead = reporting(read, mirrors.report, steady.now)
  const supply: Supply = {
    approve: signatures.approve,
    mayPass: ({ reference }) => config.upstreams.get(reference.upstream)?.signatures?.required !== true,
    discover: described.discovering(createDiscovery(http, log)),
    lingerMs: config.transfer.linger,
    wrong: (source, fault) => mirrors.report(source, { kind: 'fault', fault }),
    // Whoever joins under newer settings may bring a source that these do not know.
    read(source, want, signal) {
      const { supply: newest } = latest()
      const isOurs = newest === supply || config.upstreams.has(source.via)
      return isOurs ? ownRead(source, want, signal) : newest.read(source, want, signal)
    },
    uses,
  }
  const catalog = await createCatalog({
    store,
    sidecars,
    records,
    knowledge,
    transfer,
    upstreams,
    named,
    tagLists,
    lookupsOf,
    admitting,
    mirrors,
    mayLearn: http.mayLearn,
    described,
    policyOf: (id) => policyOf(config, id),
    signatures,
    hasher,
    clock,
    log,
    answerDeadlineMs: config.catalog.answerDeadline,
    negativeForMs: config.catalog.negativeFor,
    ownUrl: publicUrl,
    generator: `forebay/${version}`,
    pins: config.store.pins,
    platform: `linux/${machineArch()}`,
  })

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    await signatures.close()
    await catalog.settled()
    await openpgp.close()
    await http.close()
  }

  return {
    catalog,
    supply,
    uses,
    budgets,
    refresh: () => signatures.forget(),
    close() {
      closing ??= close()
      return closing
    },
  }
}

function outboundSettings(config: Config, version: string) {
  const { outbound } = config
  return {
    origins: [...config.upstreams.values()].flatMap(({ url, mirrors, keyserver }) => [
      url,
      ...mirrors.map((mirror) => mirror.url),
      ...(keyserver ? [keyserver] : []),
    ]),
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
  return [...config.upstreams.values()].flatMap(({ id, kind, url, credentials, rights, mirrors }): Place[] => [
    ...mirrors.map(({ kind, url, priority, country, site, listed }) => ({
      upstream: id,
      kind,
      url,
      priority,
      country,
      site,
      isListed: listed && rights === 'site', // what is a caller's own is told to nobody else
    })),
    ...originKinds[kind].map((kind) => ({
      upstream: id,
      kind,
      url,
      priority: Number.POSITIVE_INFINITY,
      country: undefined,
      site: undefined,
      isListed: credentials === undefined && rights === 'site',
    })),
  ])
}

/** Where the bytes of a digest stay at one URL for good, the upstream itself is a place to be told of. */
const originKinds: Readonly<Record<UpstreamSettings['kind'], readonly OriginKind[]>> = {
  oci: ['origin'],
  files: ['origin-files'],
  library: [],
  shub: [],
  static: [],
}

function policyOf(config: Config, id: UpstreamId) {
  const settings = config.upstreams.get(id)
  if (!settings) throw new Fault('upstream-unknown', { name: id })
  return {
    freshForMs: settings.freshFor,
    staleIfErrorMs: settings.staleIfError,
    isOffline: settings.offline,
    rights: settings.rights,
  }
}
