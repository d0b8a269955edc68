import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { doorMistakes } from './doors.ts'
import { describeUnknown, readEnvironment } from './environment.ts'
import { type Settings, schema } from './schema.ts'
import { type Secret, secretFromFile, secretFromVariable } from './secrets.ts'

export type UpstreamSettings = Omit<Settings['upstreams'][string], 'credentials' | 'url' | 'mirrors' | 'keyserver'> & {
  readonly mirrors: readonly (Omit<Settings['upstreams'][string]['mirrors'][number], 'url'> & { readonly url: URL })[]
  readonly id: UpstreamId
  readonly url: URL
  readonly credentials:
    | { readonly username: string; readonly password: Secret }
    | { readonly token: Secret }
    | { readonly dockerConfig: string }
    | undefined
  readonly keyserver: URL | undefined
}

export interface Origin {
  readonly text: string // of the file
  readonly relativeTo: string // absolute
}

/** One place to listen on. */
export type DoorSettings = Exclude<Settings['listen'], readonly unknown[]>
export type TlsSettings = NonNullable<DoorSettings['tls']>

/** All settings, checked: durations in ms, sizes in bytes, paths absolute, secrets behind doors. */
export interface Config
  extends Omit<Settings, 'access' | 'signing' | 'publicUrl' | 'listen' | 'upstreams' | 'defaults' | 'records' | 'outbound'> {
  readonly file: string // where they were read from
  /** With the same environment, what reads these settings again whatever has become of the file. */
  readonly origin: Origin
  readonly listen: readonly DoorSettings[]
  readonly publicUrl: URL | undefined // undefined: the first listener's
  readonly records: { readonly url: string }
  readonly upstreams: ReadonlyMap<UpstreamId, UpstreamSettings>
  readonly signing: { readonly key: Secret; readonly passphrase: Secret | undefined } | undefined
  readonly defaults: { readonly [kind in 'oci' | 'library' | 'shub']: UpstreamId | undefined }
  readonly access: Omit<Settings['access'], 'users'> & { readonly users: { readonly file: string } | undefined }
  readonly outbound: Omit<Settings['outbound'], 'httpProxy' | 'httpsProxy' | 'noProxy'> & {
    readonly proxies: { readonly http?: URL; readonly https?: URL; readonly no: readonly string[] }
  }
}

/**
 * Reads settings from a file and the environment, which wins. Relative paths in the file are relative to it.
 *
 * @throws Fault 'config-invalid' with every mistake: path, what is there, what was expected
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv, options: Partial<Origin> = {}): Config {
  const mistakes: string[] = []
  const { settings, unknown } = readEnvironment(env, mistakes)
  const { text = readText(file), relativeTo = dirname(resolve(file)) } = options
  const written = readYaml(file, text)
  if (Array.isArray(written.listen) && settings.listen !== undefined)
    mistakes.push(`FOREBAY_LISTEN_…: ${file} has a list of places to listen on, and which of them is meant cannot be said`)
  const raw = merge(written, settings) as Record<string, unknown>
  const secrets = secretVariables(raw)
  mistakes.push(...unknown.filter((name) => !secrets.has(name)).map(describeUnknown))
  const parsed = schema.safeParse(raw)
  if (!parsed.success) mistakes.push(...describe(parsed.error, raw))
  mistakes.push(...crossCheck(raw), ...doorMistakes(raw))
  if (!parsed.success || mistakes.length > 0) throw new Fault('config-invalid', { file, mistakes })
  return complete(file, parsed.data, env, { text, relativeTo })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Fault('config-invalid', { file, mistakes: [`cannot be read: ${(error as NodeJS.ErrnoException).code}`] })
  }
}

function readYaml(file: string, text: string): Record<string, unknown> {
  const invalid = (...mistakes: string[]) => new Fault('config-invalid', { file, mistakes })
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  if (document.errors.length > 0)
    throw invalid(...document.errors.map((error) => error.message.split('\n')[0]!.replace(/:$/, '')))
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw invalid((error as Error).message) // aliases of aliases of aliases
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('expected sections such as "upstreams:"')
  return value as Record<string, unknown>
}

/** Variables that secrets are read from: they may be called FOREBAY_… too. */
function secretVariables(raw: unknown): ReadonlySet<unknown> {
  if (!isObject(raw)) return new Set()
  return new Set(Object.entries(raw).flatMap(([key, value]) => (key === 'env' ? [value] : [...secretVariables(value)])))
}

/** Objects are merged, anything else is replaced. */
function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below
  if (!isObject(below) || !isObject(above)) return above
  const keys = new Set([...Object.keys(below), ...Object.keys(above)])
  return Object.fromEntries([...keys].map((key) => [key, merge(below[key], above[key])]))
}

function describe(error: z.ZodError, raw: unknown): string[] {
  return error.issues.flatMap((issue) => describeIssue(issue, issue.path.map(String), raw))
}

function describeIssue(issue: z.core.$ZodIssue, at: readonly string[], raw: unknown): string[] {
  // One place or a list of them: what is wrong is told of the one that was written.
  if (issue.code === 'invalid_union' && at[0] === 'listen' && typeof valueBelow(raw, at) === 'object') {
    const below = issue.errors[Array.isArray(valueBelow(raw, at)) ? 1 : 0] ?? []
    if (below.length > 0) return below.flatMap((one) => describeIssue(one, [...at, ...one.path.map(String)], raw))
  }
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...at, key].join('.')}: there is no such setting${hint(key, at)}`)
  if (issue.code === 'invalid_key') return [`${at.join('.')}: ${issue.issues[0]?.message ?? issue.message}`]
  return [`${at.join('.') || 'the file'}: ${valueAt(raw, at)}${issue.message.replace(/^Invalid (input|option): /, '')}`]
}

function valueBelow(raw: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (isObject(at) || Array.isArray(at) ? (at as Record<string, unknown>)[key] : undefined),
    raw,
  )
}

/** Values are shown so that they can be found, unless they could be secrets. */
function valueAt(raw: unknown, path: readonly string[]): string {
  const value = valueBelow(raw, path)
  if (value === undefined || path.some((key) => /password|passphrase|credentials|secret|token|signing/i.test(key))) return ''
  return typeof value === 'object' ? '' : `${JSON.stringify(value).replace(/\/\/[^/\s]*@/g, '//[secret]@')} is wrong: `
}

function hint(key: string, at: readonly string[]): string {
  const known = keysAt(at)
  const close = known.find((name) => name.toLowerCase() === key.toLowerCase() || isClose(name, key))
  return close ? `; did you mean "${close}"?` : known.length > 0 ? `; there are ${known.join(', ')}` : ''
}

function keysAt(path: readonly string[]): readonly string[] {
  let at: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  for (const key of path) {
    const node = isObject(at) ? at : {}
    at =
      isObject(node.properties) && Object.hasOwn(node.properties, key)
        ? node.properties[key]
        : (node.additionalProperties ?? node.items)
  }
  return isObject(at) && isObject(at.properties) ? Object.keys(at.properties) : []
}

/** One letter more, less or other. */
function isClose(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (at < Math.min(a.length, b.length) && a[at] === b[at]) at++
  return a.slice(at + 1) === b.slice(at + 1) || a.slice(at) === b.slice(at + 1) || a.slice(at + 1) === b.slice(at)
}

/** What no single setting shows; also looked for in a file that has other mistakes. */
function crossCheck(raw: Readonly<Record<string, unknown>>): string[] {
  const upstreams = isObject(raw.upstreams) ? raw.upstreams : {}
  const mistakes: string[] = []
  for (const [kind, name] of Object.entries(isObject(raw.defaults) ? raw.defaults : {})) {
    if (typeof name !== 'string') continue
    const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
    if (!isObject(upstream))
      mistakes.push(`defaults.${kind}: "${name}" is none of the upstreams ${Object.keys(upstreams).join(', ')}`)
    else if (upstream.kind !== kind) mistakes.push(`defaults.${kind}: "${name}" is of kind ${JSON.stringify(upstream.kind)}`)
  }
  mistakes.push(...ruleMistakes(raw.access, upstreams))
  const hosts = new Map<unknown, string>(Object.keys(upstreams).map((name) => [name, name]))
  for (const [name, upstream] of Object.entries(upstreams)) {
    if (isObject(upstream)) mistakes.push(...unfitting(name, upstream))
    for (const host of isObject(upstream) && Array.isArray(upstream.hosts) ? upstream.hosts : []) {
      const other = hosts.get(host)
      if (other !== undefined && other !== name) mistakes.push(`upstreams.${name}.hosts: "${host}" is taken by ${other} already`)
      hosts.set(host, name)
    }
  }
  return mistakes
}

/** A rule about an upstream that is not there would protect nothing. */
function ruleMistakes(access: unknown, upstreams: Readonly<Record<string, unknown>>): string[] {
  const rules = isObject(access) && Array.isArray(access.rules) ? access.rules : []
  return rules.flatMap((rule: unknown, at) => {
    const name = isObject(rule) ? rule.upstream : undefined
    if (typeof name !== 'string' || name === '*') return []
    const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
    if (isObject(upstream) && upstream.rights === 'caller')
      return [`access.rules.${at}.upstream: "${name}" says itself who may read what (rights: caller)`]
    if (upstream !== undefined) return []
    return [`access.rules.${at}.upstream: "${name}" is none of the upstreams ${Object.keys(upstreams).join(', ')}`]
  })
}

/** Settings that are for other kinds of upstream would be ignored. */
function unfitting(name: string, upstream: Readonly<Record<string, unknown>>): string[] {
  const { kind } = upstream
  const only = (wanted: string, ...keys: string[]) =>
    keys
      .filter((key) => kind !== wanted && upstream[key] !== undefined)
      .map(
        (key) =>
          `upstreams.${name}.${key}: this is for upstreams of kind ${wanted}, and this one is of kind ${JSON.stringify(kind)}`,
      )
  const mirrors = Array.isArray(upstream.mirrors) ? upstream.mirrors : []
  const layouts: Readonly<Record<string, string>> = { registry: 'oci', files: 'files' }
  return [
    ...(upstream.rights === 'caller' && upstream.credentials !== undefined
      ? [`upstreams.${name}.credentials: with rights: caller it is asked as whoever asks here, and never as somebody else`]
      : []),
    ...only('oci', 'hosts', 'tokenServices', 'pullReserve'),
    ...only('files', 'metalink', 'checksums', 'folders'),
    ...only('library', 'keyserver'),
    ...mirrors.flatMap((mirror, at) => {
      const layout = (isObject(mirror) && (mirror.kind as string)) || 'registry'
      const wanted = layouts[layout]
      return wanted === undefined || wanted === kind
        ? []
        : [`upstreams.${name}.mirrors.${at}.kind: ${layout} is for upstreams of kind ${wanted}; say forebay or tree here`]
    }),
  ]
}

function complete(file: string, settings: Settings, env: NodeJS.ProcessEnv, origin: Origin): Config {
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
