import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { describeUnknown, readEnvironment } from './environment.ts'
import { type Settings, schema } from './schema.ts'
import { type Secret, secretFromFile, secretFromVariable } from './secrets.ts'

export type UpstreamSettings = Omit<Settings['upstreams'][string], 'credentials' | 'url' | 'mirrors'> & {
  readonly mirrors: readonly (Omit<Settings['upstreams'][string]['mirrors'][number], 'url'> & { readonly url: URL })[]
  readonly id: UpstreamId
  readonly url: URL
  readonly credentials: { readonly username: string; readonly password: Secret } | { readonly dockerConfig: string } | undefined
}

/** All settings, checked: durations in ms, sizes in bytes, paths absolute, secrets behind doors. */
export interface Config extends Omit<Settings, 'publicUrl' | 'listen' | 'upstreams' | 'defaults' | 'records' | 'outbound'> {
  readonly listen: readonly { readonly host: string; readonly port: number }[]
  readonly publicUrl: URL | undefined // undefined: the first listener's
  readonly records: { readonly url: string }
  readonly upstreams: ReadonlyMap<UpstreamId, UpstreamSettings>
  readonly defaults: { readonly oci: UpstreamId | undefined }
  readonly outbound: Omit<Settings['outbound'], 'httpProxy' | 'httpsProxy' | 'noProxy'> & {
    readonly proxies: { readonly http?: URL; readonly https?: URL; readonly no: readonly string[] }
  }
}

/**
 * Reads settings from a file and the environment, which wins. Relative paths in the file are relative to it.
 *
 * @throws Fault 'config-invalid' with every mistake: path, what is there, what was expected
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv, options: { relativeTo?: string } = {}): Config {
  const mistakes: string[] = []
  const { settings, unknown } = readEnvironment(env, mistakes)
  const raw = merge(readYaml(file), settings) as Record<string, unknown>
  const secrets = secretVariables(raw)
  mistakes.push(...unknown.filter((name) => !secrets.has(name)).map(describeUnknown))
  const parsed = schema.safeParse(raw)
  if (!parsed.success) mistakes.push(...describe(parsed.error, raw))
  mistakes.push(...crossCheck(raw))
  if (!parsed.success || mistakes.length > 0) throw new Fault('config-invalid', { file, mistakes })
  return complete(parsed.data, env, options.relativeTo ?? dirname(resolve(file)))
}

function readYaml(file: string): Record<string, unknown> {
  const invalid = (...mistakes: string[]) => new Fault('config-invalid', { file, mistakes })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw invalid(`cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
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
  return error.issues.flatMap((issue) => {
    const at = issue.path.map(String)
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${[...at, key].join('.')}: there is no such setting${hint(key, at)}`)
    if (issue.code === 'invalid_key') return `${at.join('.')}: ${issue.issues[0]?.message ?? issue.message}`
    return `${at.join('.') || 'the file'}: ${valueAt(raw, at)}${issue.message.replace(/^Invalid (input|option): /, '')}`
  })
}

/** Values are shown so that they can be found, unless they could be secrets. */
function valueAt(raw: unknown, path: readonly string[]): string {
  const value = path.reduce<unknown>(
    (at, key) => (isObject(at) || Array.isArray(at) ? (at as Record<string, unknown>)[key] : undefined),
    raw,
  )
  if (value === undefined || path.some((key) => /password|credentials|secret|token/i.test(key))) return ''
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
  const fallback = isObject(raw.defaults) ? raw.defaults.oci : undefined
  const mistakes: string[] = []
  if (typeof fallback === 'string' && !Object.hasOwn(upstreams, fallback)) {
    mistakes.push(`defaults.oci: "${fallback}" is none of the upstreams ${Object.keys(upstreams).join(', ')}`)
  }
  const hosts = new Map<unknown, string>(Object.keys(upstreams).map((name) => [name, name]))
  for (const [name, upstream] of Object.entries(upstreams)) {
    for (const host of isObject(upstream) && Array.isArray(upstream.hosts) ? upstream.hosts : []) {
      const other = hosts.get(host)
      if (other !== undefined && other !== name) mistakes.push(`upstreams.${name}.hosts: "${host}" is taken by ${other} already`)
      hosts.set(host, name)
    }
  }
  return mistakes
}

function complete(settings: Settings, env: NodeJS.ProcessEnv, folder: string): Config {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path))
  const { httpProxy, httpsProxy, noProxy, ...outbound } = settings.outbound
  const storePath = at(settings.store.path)
  const proxy = (own: string | undefined, ...names: string[]) =>
    URL.parse(own ?? names.map((name) => env[name]).find(Boolean) ?? '') ?? undefined
  const sqlite = settings.records.url?.startsWith('sqlite:') ? at(settings.records.url.slice('sqlite:'.length)) : undefined
  return Object.freeze({
    ...settings,
    listen: [settings.listen].flat(),
    publicUrl: settings.publicUrl === undefined ? undefined : new URL(settings.publicUrl),
    store: { ...settings.store, path: storePath },
    records: { url: sqlite ? `sqlite:${sqlite}` : (settings.records.url ?? `sqlite:${join(storePath, 'records.db')}`) },
    upstreams: new Map(
      Object.entries(settings.upstreams).map(([id, one]) => [id as UpstreamId, upstreamOf(id as UpstreamId, one, env, at)]),
    ),
    defaults: { oci: settings.defaults.oci as UpstreamId | undefined },
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

function upstreamOf(
  id: UpstreamId,
  settings: Settings['upstreams'][string],
  env: NodeJS.ProcessEnv,
  at: (path: string) => string,
): UpstreamSettings {
  const { credentials, url, mirrors, ...rest } = settings
  return {
    ...rest,
    id,
    mirrors: mirrors.map((mirror) => ({ ...mirror, url: new URL(mirror.url) })),
    url: new URL(url),
    credentials: credentials && credentialsOf(credentials, env, at),
  }
}

function credentialsOf(
  credentials: NonNullable<Settings['upstreams'][string]['credentials']>,
  env: NodeJS.ProcessEnv,
  at: (path: string) => string,
): NonNullable<UpstreamSettings['credentials']> {
  const home = (path: string) => (path.startsWith('~/') ? join(env.HOME ?? '', path.slice(2)) : at(path))
  if ('dockerConfig' in credentials) return { dockerConfig: home(credentials.dockerConfig) }
  const { username, password } = credentials
  return { username, password: 'file' in password ? secretFromFile(home(password.file)) : secretFromVariable(password.env, env) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
