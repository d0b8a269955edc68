import { Fault } from '../model/fault.ts'
import { parseRepository, type Repository, type UpstreamId } from '../model/reference.ts'
import { isDockerHub, looksLikeRegistry, normalizeRegistry } from '../model/registry-name.ts'

/** One upstream of the settings, as far as naming goes. */
export interface NamedUpstream {
  readonly id: UpstreamId
  readonly hosts: readonly string[] // further Host values that mean it
  readonly url: URL
}

/** What a request says of where to look. Texts are decoded once. */
export interface Naming {
  readonly name: string // everything between /v2/ and the endpoint
  readonly namespaces: readonly string[] // values of ns=
  readonly host: string // Host field
}

export interface Place {
  readonly upstream: UpstreamId
  readonly repository: Repository
  readonly namespace: string | undefined // the ns= that decided
}

/**
 * Finds which upstream a request means: `ns=`, else a first path segment that names one, else the Host, else the default.
 * A closed list: what the request says is looked up, never dialled.
 *
 * @throws Fault 'upstream-unknown', 'name-invalid', 'request-invalid' for contradictions
 * @see OCI distribution-spec, "Registry Proxying"
 */
export function createUpstreamChoice(
  upstreams: readonly NamedUpstream[],
  fallback: UpstreamId | undefined,
): (naming: Naming) => Place {
  const byName = new Map(upstreams.map(({ id }) => [normalizeRegistry(id), id]))
  const byHost = new Map([
    ...byName,
    ...upstreams.flatMap(({ id, hosts }) => hosts.map((host) => [normalizeRegistry(host), id] as const)),
  ])
  const hubs = new Set(upstreams.filter(isDockerHub).map(({ id }) => id))

  function byHostField(host: string): UpstreamId | undefined {
    return byHost.get(normalizeRegistry(host)) ?? byHost.get(normalizeRegistry(host.replace(/:\d*$/, '')))
  }

  function place(upstream: UpstreamId, name: string, namespace?: string): Place {
    const isShort = hubs.has(upstream) && !name.includes('/')
    return { upstream, repository: parseRepository(isShort && name ? `library/${name}` : name), namespace }
  }

  function byNamespace(namespace: string, first: string, rest: string, name: string): Place {
    const upstream = byName.get(normalizeRegistry(namespace))
    if (upstream === undefined) throw unknown(namespace)
    const named = rest === '' ? undefined : byName.get(normalizeRegistry(first))
    if (named === upstream) return place(upstream, rest, namespace)
    if (named !== undefined && looksLikeRegistry(first))
      throw new Fault('request-invalid', { what: `ns=${namespace}`, why: `the path names another registry, ${named}` })
    return place(upstream, name, namespace)
  }

  return ({ name, namespaces, host }) => {
    if (namespaces.length > 1) throw new Fault('request-invalid', { what: 'ns=', why: 'it is given more than once' })
    const slash = name.indexOf('/')
    const first = slash < 0 ? name : name.slice(0, slash)
    const rest = slash < 0 ? '' : name.slice(slash + 1)
    if (namespaces[0] !== undefined) return byNamespace(namespaces[0], first, rest, name)
    const named = rest === '' ? undefined : byName.get(normalizeRegistry(first))
    if (named !== undefined) return place(named, rest)
    if (rest !== '' && looksLikeRegistry(first)) throw isNameShaped(first) ? unknown(first) : refused(name)
    const upstream = byHostField(host) ?? fallback
    if (upstream === undefined) throw unknown(first)
    return place(upstream, name)
  }
}

/** Could a registry be called that at all? Otherwise the name is wrong, not merely unknown. */
function isNameShaped(segment: string): boolean {
  return /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(segment)
}

function unknown(name: string): Fault {
  return new Fault('upstream-unknown', { name: name.slice(0, 100) })
}

function refused(name: string): Fault {
  try {
    parseRepository(name)
  } catch (error) {
    return error as Fault
  }
  return unknown(name)
}
