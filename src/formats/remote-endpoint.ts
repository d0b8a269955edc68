import { Fault } from '../model/fault.ts'
import { isJsonObject, parseJsonObject } from './json.ts'
import { readForeignUrl } from './metalink-urls.ts'

/** Where a remote endpoint has its services: absolute http(s) URLs. */
export interface RemoteEndpoint {
  readonly library: string
  /** Clients send it their token, whoever it is, so it must be ourselves. They ask at the root of its host, whatever the path. */
  readonly keyserver: string
  readonly tokens: string
  readonly registry?: string // for images that are OCI artifacts
}

/**
 * The document by which clients find them, `assets/config/config.prod.json`. Without a keyserver they refuse every pull.
 *
 * @throws Fault 'internal' for a URL that is not absolute
 * @see apptainer internal/pkg/remote/endpoint/service.go
 */
export function printRemoteConfig({ library, keyserver, tokens, registry }: RemoteEndpoint): string {
  return JSON.stringify({
    libraryAPI: { uri: uriOf(library), ...(registry === undefined ? {} : { registryUri: uriOf(registry) }) },
    keystoreAPI: { uri: uriOf(keyserver) },
    tokenAPI: { uri: uriOf(tokens) },
  })
}

/** The keyserver that an endpoint names, as clients ask it: at the root of its host. @throws Fault 'upstream-invalid' */
export function parseKeyserver(body: Uint8Array): URL | undefined {
  const { keystoreAPI, keyserverAPI } = parseJsonObject(body, 'the remote endpoint')
  const service = keystoreAPI ?? keyserverAPI
  const uri = isJsonObject(service) && typeof service.uri === 'string' ? service.uri : ''
  const read = readForeignUrl(uri)
  return read.outcome === 'usable' ? new URL('/', read.url) : undefined
}

/** Clients put a slash and a path behind it as it stands. */
function uriOf(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === ''
  if (!isPlain) throw new Fault('internal', { what: 'a remote endpoint would have a service without an absolute URL' })
  return url.href.replace(/\/+$/, '')
}

/** The answer of `v1/token-status` to a token that is good; clients read its status alone. */
export function printTokenStatus(): string {
  return JSON.stringify({ data: { status: 'valid' } })
}

/** Who asks, as the answer of `v1/rbac/users/current` tells it. */
export interface CurrentUser {
  readonly username: string
  readonly email?: string
  readonly realname?: string
}

export function printCurrentUser({ username, email = '', realname = '' }: CurrentUser): string {
  return JSON.stringify({ username, email, realname })
}
