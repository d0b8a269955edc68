import { createPolicy } from '../access/rules.ts'
import type { Config, UpstreamSettings } from '../config/config.ts'
import { Fault } from '../model/fault.ts'
import type { NameReference, UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { Http } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { type Budget, createBudget } from '../upstream/budget.ts'
import { type Caller, createCaller } from '../upstream/callers.ts'
import { type CredentialSource, dockerConfigCredentials } from '../upstream/credentials.ts'
import { createFilesUpstream } from '../upstream/http-file.ts'
import { createKeyserver } from '../upstream/keyserver.ts'
import { createLibraryUpstream } from '../upstream/library.ts'
import { createOciUpstream } from '../upstream/oci.ts'
import { createShubUpstream } from '../upstream/shub.ts'
import { createStaticUpstream } from '../upstream/static-registry.ts'
import type {
  Admitting,
  AdmittingOf,
  Listings,
  Lookups,
  LookupsOf,
  NamedUpstream,
  OciUpstream,
  RegistryWanted,
  RepositoryReference,
  SourceReader,
} from '../upstream/upstream.ts'
import type { WebSessionDeps } from '../upstream/web-session.ts'

// A right that an upstream takes back is over here when what is remembered of it is, and no token outlives that by much.
const callersTokensForMs = 10_000

/** Every upstream of the settings, by the parts of it that its kind has. */
export function createUpstreams(config: Config, http: Http, clock: Clock, log: Logger) {
  const registries = new Map<UpstreamId, OciUpstream>()
  const named = new Map<UpstreamId, NamedUpstream>()
  const budgets = new Map<UpstreamId, Budget>()
  const lookups = {
    library: new Map<UpstreamId, Lookups>(),
    keys: new Map<UpstreamId, Lookups>(),
    shub: new Map<UpstreamId, Lookups>(),
  }
  const tagLists = new Map<UpstreamId, Pick<Listings, 'tags'>>()
  const admitting = {
    registries: new Map<UpstreamId, Admitting<RegistryWanted>>(),
    named: new Map<UpstreamId, Admitting<NameReference | RepositoryReference>>(),
  }
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
  const addRegistry = ({ tokenServices, pullReserve, rights }: UpstreamSettings, deps: WebSessionDeps) => {
    const { id, url } = deps
    const own = createBudget({ id, url, reserve: pullReserve, clock, log })
    const isCallers = rights === 'caller'
    // What one caller may still pull says nothing of another.
    const budget: Budget = isCallers ? { ...own, heard() {} } : own
    if (!isCallers) budgets.set(id, own)
    const tokensForMs = isCallers ? callersTokensForMs : undefined
    const registry = createOciUpstream({ ...deps, realms: tokenServices, budget, tokensForMs })
    registries.set(id, registry)
    admitting.registries.set(id, registry)
  }
  const addStatic = (deps: WebSessionDeps) => {
    const pages = createStaticUpstream(deps)
    named.set(deps.id, pages)
    tagLists.set(deps.id, pages)
  }
  const addFiles = ({ checksums, metalink, folders }: UpstreamSettings, deps: WebSessionDeps) => {
    const files = createFilesUpstream({ ...deps, log, checksums, metalink, folders })
    named.set(deps.id, files)
    admitting.named.set(deps.id, files)
  }
  function askAsCaller(id: UpstreamId, caller: Caller): void {
    change(registries, id, caller.registry)
    change(named, id, caller.named)
    change(tagLists, id, caller.tags)
    for (const all of [lookups.library, lookups.shub]) change(all, id, caller.lookups)
    const one = named.get(id)
    // What it says of a name is small.
    if (one && !admitting.named.has(id))
      admitting.named.set(id, {
        admits: async (wanted, ask) =>
          wanted.kind === 'repository'
            ? (await tagLists.get(id)?.tags(wanted.repository, {}, ask)) !== undefined
            : (await one.resolve(wanted, ask)).outcome === 'found',
      })
    change(admitting.registries, id, caller.admitting)
    change(admitting.named, id, caller.admitting)
  }
  // What only some may read is given to nobody else, whoever has it too.
  const policy = createPolicy(config.access, [...config.upstreams.keys()])
  for (const [id, settings] of config.upstreams) {
    const { kind, url, maxConnections } = settings
    const caller = settings.rights === 'caller' ? createCaller(id) : undefined
    const isPublic = !caller && settings.credentials === undefined && policy.isOpenToAll(id)
    const credentials = caller?.credentials ?? credentialsOf(settings, log)
    const deps = { id, url, http, clock, credentials, isPublic, maxConnections }
    if (kind === 'oci') addRegistry(settings, deps)
    else if (kind === 'library') addLibrary(settings, deps)
    else if (kind === 'shub') addShub(deps)
    else if (kind === 'static') addStatic(deps)
    else addFiles(settings, deps)
    if (caller) askAsCaller(id, caller)
  }
  const ifCaller =
    <T>(all: ReadonlyMap<UpstreamId, T>) =>
    (id: UpstreamId) =>
      config.upstreams.get(id)?.rights === 'caller' ? all.get(id) : undefined
  const demand = <T>(found: T | undefined, id: UpstreamId): T => {
    if (!found) throw new Fault('upstream-unknown', { name: id })
    return found
  }
  return {
    upstreams: (id: UpstreamId) => demand(registries.get(id), id),
    named: (id: UpstreamId) => named.get(id),
    tagLists: (id: UpstreamId) => demand(tagLists.get(id) ?? registries.get(id), id),
    lookupsOf: ((id, about) => lookups[about].get(id)) satisfies LookupsOf,
    budgets,
    admitting: { registry: ifCaller(admitting.registries), named: ifCaller(admitting.named) } satisfies AdmittingOf,
    readerVia: (id: UpstreamId): SourceReader => demand(registries.get(id) ?? named.get(id), id),
  }
}

function change<T>(all: Map<UpstreamId, T>, id: UpstreamId, wrap: (one: T) => T): void {
  const one = all.get(id)
  if (one) all.set(id, wrap(one))
}

function credentialsOf({ credentials, url }: UpstreamSettings, log: Logger): CredentialSource {
  if (!credentials) return async () => undefined
  if ('token' in credentials) return async () => ({ kind: 'bearer', token: credentials.token.read() })
  if ('dockerConfig' in credentials) return dockerConfigCredentials(credentials.dockerConfig, url.host, log)
  return async () => ({ kind: 'password', username: credentials.username, password: credentials.password.read() })
}
