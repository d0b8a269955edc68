import { createPolicy } from '../access/rules.ts'
import { createCatalog, type OwnedCatalog } from '../catalog/create-catalog.ts'
import { createSignatures } from '../catalog/create-signatures.ts'
import type { Config, UpstreamSettings } from '../config/load.ts'
import { createMirrors, type Place } from '../mirrors/create-mirrors.ts'
import type { OriginKind } from '../mirrors/places.ts'
import { reporting } from '../mirrors/reporting.ts'
import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import { createHttp, type Http } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { machineArch } from '../system/machine.ts'
import { createUses, type Uses } from '../system/uses.ts'
import type { Supply } from '../transfer/local-transfer.ts'
import type { Transfer } from '../transfer/transfer.ts'
import { bounded } from '../upstream/bounded.ts'
import { type CredentialSource, dockerConfigCredentials } from '../upstream/credentials.ts'
import { createDescribed } from '../upstream/described.ts'
import { createDiscovery } from '../upstream/discovery.ts'
import { createFileTree } from '../upstream/file-tree.ts'
import { createFilesUpstream } from '../upstream/http-file.ts'
import { createKeyserver } from '../upstream/keyserver.ts'
import { createLibraryUpstream } from '../upstream/library.ts'
import { createOciUpstream } from '../upstream/oci.ts'
import { createPlainReader } from '../upstream/plain.ts'
import { createShubUpstream } from '../upstream/shub.ts'
import { createSignatureFinder } from '../upstream/signatures.ts'
import { createStaticUpstream } from '../upstream/static-registry.ts'
import type { Listings, Lookups, LookupsOf, NamedUpstream, OciUpstream, SourceReader } from '../upstream/upstream.ts'
import type { WebSessionDeps } from '../upstream/web-session.ts'
import type { Ground } from './ground.ts'
import { openKeys } from './open-keys.ts'

/** What settings decide: built anew when they change, on a ground that stays. */
export interface Upper {
  readonly catalog: OwnedCatalog
  /** For fills that begin now. */
  readonly supply: Supply
  /** Requests, and fills that began with it. */
  readonly uses: Uses
  /** Others wrote what it may have in memory otherwise. */
  refresh(): void
  /** Once: waits until what is known is written down, and asks nobody any more. */
  close(): Promise<void>
}

export interface Beside {
  readonly transfer: Transfer
  /** How clients reach the server. */
  readonly publicUrl: () => string | undefined
  /** The one of the newest settings. */
  readonly latest: () => Pick<Upper, 'supply'>
}

/** @throws Fault 'config-invalid' for keys of no use */
export async function composeUpper(
  config: Config,
  { store, sidecars, records, knowledge, hasher, clock, log, version }: Ground,
  { transfer, publicUrl, latest }: Beside,
): Promise<Upper> {
  const { openpgp, siteKey, trusted } = await openKeys(config)
  const http = createHttp(outboundSettings(config, version))
  const { upstreams, named, tagLists, lookupsOf, readerVia } = createUpstreams(config, http, clock, log)
  const plain = createPlainReader(http, config.outbound.maxPerMirror)
  const tree = createFileTree()
  const atFile = (url: URL) => url.protocol === 'file:'
  const readerOf = ({ place, url, via }: Source) => (place === undefined ? readerVia(via) : atFile(url) ? tree : plain)
  const mirrors = createMirrors({
    places: placesOf(config),
    here: config.site,
    clock,
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
  const ownRead = reporting(read, mirrors.report, clock.now)
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
  return [...config.upstreams.values()].flatMap(({ id, kind, url, credentials, mirrors }): Place[] => [
    ...mirrors.map(({ kind, url, priority, country, site, listed }) => ({
      upstream: id,
      kind,
      url,
      priority,
      country,
      site,
      isListed: listed,
    })),
    ...originKinds[kind].map((kind) => ({
      upstream: id,
      kind,
      url,
      priority: Number.POSITIVE_INFINITY,
      country: undefined,
      site: undefined,
      isListed: credentials === undefined,
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

function createUpstreams(config: Config, http: Http, clock: Clock, log: Logger) {
  const registries = new Map<UpstreamId, OciUpstream>()
  const named = new Map<UpstreamId, NamedUpstream>()
  const lookups = {
    library: new Map<UpstreamId, Lookups>(),
    keys: new Map<UpstreamId, Lookups>(),
    shub: new Map<UpstreamId, Lookups>(),
  }
  const tagLists = new Map<UpstreamId, Pick<Listings, 'tags'>>()
  const addLibrary = ({ id, url, keyserver }: UpstreamSettings, deps: WebSessionDeps) => {
    const library = createLibraryUpstream(deps)
    named.set(id, library)
    lookups.library.set(id, library)
    lookups.keys.set(id, createKeyserver({ id, library: url, configured: keyserver, http, clock }))
  }
  const addShub = (deps: WebSessionDeps) => {
    const shub = createShubUpstream(deps)
    named.set(deps.id, shub)
    lookups.shub.set(deps.id, shub)
  }
  const addStatic = (deps: WebSessionDeps) => {
    const pages = createStaticUpstream(deps)
    named.set(deps.id, pages)
    tagLists.set(deps.id, pages)
  }
  // What only some may read is given to nobody else, whoever has it too.
  const policy = createPolicy(config.access, [...config.upstreams.keys()])
  for (const [id, settings] of config.upstreams) {
    const { kind, url, maxConnections } = settings
    const isPublic = settings.credentials === undefined && policy.isOpenToAll(id)
    const deps = { id, url, http, clock, credentials: credentialsOf(settings, log), isPublic, maxConnections }
    if (kind === 'oci') registries.set(id, createOciUpstream({ ...deps, realms: settings.tokenServices }))
    else if (kind === 'library') addLibrary(settings, deps)
    else if (kind === 'shub') addShub(deps)
    else if (kind === 'static') addStatic(deps)
    else {
      const { checksums, metalink, folders } = settings
      named.set(id, createFilesUpstream({ ...deps, log, checksums, metalink, folders }))
    }
  }
  const demand = <T>(found: T | undefined, id: UpstreamId): T => {
    if (!found) throw new Fault('upstream-unknown', { name: id })
    return found
  }
  return {
    upstreams: (id: UpstreamId) => demand(registries.get(id), id),
    named: (id: UpstreamId) => named.get(id),
    tagLists: (id: UpstreamId) => demand(tagLists.get(id) ?? registries.get(id), id),
    lookupsOf: ((id, about) => lookups[about].get(id)) satisfies LookupsOf,
    readerVia: (id: UpstreamId): SourceReader => demand(registries.get(id) ?? named.get(id), id),
  }
}

function credentialsOf({ credentials, url }: UpstreamSettings, log: Logger): CredentialSource {
  if (!credentials) return async () => undefined
  if ('token' in credentials) return async () => ({ kind: 'bearer', token: credentials.token.read() })
  if ('dockerConfig' in credentials) return dockerConfigCredentials(credentials.dockerConfig, url.host, log)
  return async () => ({ kind: 'password', username: credentials.username, password: credentials.password.read() })
}

function policyOf(config: Config, id: UpstreamId) {
  const settings = config.upstreams.get(id)
  if (!settings) throw new Fault('upstream-unknown', { name: id })
  return { freshForMs: settings.freshFor, staleIfErrorMs: settings.staleIfError, isOffline: settings.offline }
}
