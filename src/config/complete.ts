import { isAbsolute, join, resolve } from 'node:path'
import type { UpstreamId } from '../model/reference.ts'
import type { Config, Origin, TlsSettings, UpstreamSettings } from './config.ts'
import type { Settings } from './schema.ts'
import { type Secret, secretFromFile, secretFromVariable } from './secrets.ts'

/** With paths made absolute, and secrets behind doors. */
export function complete(file: string, settings: Settings, env: NodeJS.ProcessEnv, origin: Origin): Config {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(origin.relativeTo, path))
  const { httpProxy, httpsProxy, noProxy, ...outbound } = settings.outbound
  const { signing } = settings
  const storePath = at(settings.store.path)
  const proxy = (own: string | undefined, ...names: string[]) =>
    URL.parse(own ?? names.map((name) => env[name]).find(Boolean) ?? '') ?? undefined
  const sqlite = settings.records.url?.startsWith('sqlite:') ? at(settings.records.url.slice('sqlite:'.length)) : undefined
  return Object.freeze({
    ...settings,
    file,
    origin,
    signing: signing && {
      key: secretOf(signing.key, env, at),
      passphrase: signing.passphrase && secretOf(signing.passphrase, env, at),
    },
    access: { ...settings.access, users: settings.access.users && { file: homeAt(settings.access.users.file, env, at) } },
    listen: [settings.listen].flat().map((door) => ({ ...door, tls: door.tls && tlsOf(door.tls, at) })),
    publicUrl: settings.publicUrl === undefined ? undefined : new URL(settings.publicUrl),
    store: { ...settings.store, path: storePath },
    records: { url: sqlite ? `sqlite:${sqlite}` : (settings.records.url ?? `sqlite:${join(storePath, 'records.db')}`) },
    upstreams: new Map(
      Object.entries(settings.upstreams).map(([id, one]) => [id as UpstreamId, upstreamOf(id as UpstreamId, one, env, at)]),
    ),
    defaults: settings.defaults as Config['defaults'],
    outbound: {
      ...outbound,
      ca: outbound.ca.map(at),
      proxies: {
        http: proxy(httpProxy, 'http_proxy', 'HTTP_PROXY'),
        https: proxy(httpsProxy, 'https_proxy', 'HTTPS_PROXY'),
        no: noProxy ?? (env.no_proxy ?? env.NO_PROXY ?? '').split(',').filter(Boolean),
      },
    },
  })
}

function tlsOf({ certificate, key, clientCa, ...rest }: TlsSettings, at: (path: string) => string): TlsSettings {
  return { ...rest, certificate: at(certificate), key: at(key), clientCa: clientCa === undefined ? undefined : at(clientCa) }
}

function upstreamOf(
  id: UpstreamId,
  settings: Settings['upstreams'][string],
  env: NodeJS.ProcessEnv,
  at: (path: string) => string,
): UpstreamSettings {
  const { credentials, url, mirrors, keyserver, signatures, ...rest } = settings
  return {
    ...rest,
    id,
    mirrors: mirrors.map((mirror) => ({ ...mirror, url: new URL(mirror.url) })),
    url: new URL(url),
    keyserver: keyserver === undefined ? undefined : new URL(keyserver),
    signatures: signatures && { ...signatures, keys: signatures.keys.map((path) => homeAt(path, env, at)) },
    credentials: credentials && credentialsOf(credentials, env, at),
  }
}

function credentialsOf(
  credentials: NonNullable<Settings['upstreams'][string]['credentials']>,
  env: NodeJS.ProcessEnv,
  at: (path: string) => string,
): NonNullable<UpstreamSettings['credentials']> {
  if ('dockerConfig' in credentials) return { dockerConfig: homeAt(credentials.dockerConfig, env, at) }
  if ('token' in credentials) return { token: secretOf(credentials.token, env, at) }
  return { username: credentials.username, password: secretOf(credentials.password, env, at) }
}

function secretOf(
  from: { readonly file: string } | { readonly env: string },
  env: NodeJS.ProcessEnv,
  at: (path: string) => string,
): Secret {
  return 'file' in from ? secretFromFile(homeAt(from.file, env, at)) : secretFromVariable(from.env, env)
}

function homeAt(path: string, env: NodeJS.ProcessEnv, at: (path: string) => string): string {
  return path.startsWith('~/') ? join(env.HOME ?? '', path.slice(2)) : at(path)
}
