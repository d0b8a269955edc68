import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import type { Logger } from '../system/log.ts'
import { helperEnvironment } from './helper-environment.ts'

/** Who we are to an upstream: a name and password, or a refresh token that its token service takes. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }
  | { readonly kind: 'bearer'; readonly token: string } // used as it is

/** Asked anew for each login, so that a changed secret needs no restart. Undefined: anonymous. */
export type CredentialSource = () => Promise<Credentials | undefined>

const helperName = /^[a-zA-Z0-9._-]+$/
const helperTimeoutMs = 10_000
const helperAnswersForMs = 60_000
const helperFailsForMs = 5_000

/**
 * Reads docker's `config.json` or podman's `auth.json`: `auths`, `credHelpers`, `credsStore`. Read again when the file changes.
 *
 * @see docker/cli, "docker login", credential stores
 */
export function dockerConfigCredentials(path: string, host: string, log: Logger): CredentialSource {
  let known: { readonly version: number; readonly config: DockerConfig } | undefined
  const helped = new Map<string, { readonly until: number; readonly answer: Promise<Credentials | undefined> }>()

  async function config(): Promise<DockerConfig> {
    const version = (await stat(path)).mtimeMs
    if (known?.version === version) return known.config
    const config = parseSecretly(await readFile(path, 'utf8'), 'the file') as DockerConfig
    if (known?.version !== version) helped.clear() // by the first of several that read it at once
    known = { version, config }
    return config
  }

  /** One run of a program for all who ask, and for a while after; a failure is remembered too, but not for as long. */
  async function fromHelper(name: string): Promise<Credentials | undefined> {
    const running = helped.get(name)
    if (running && Date.now() < running.until) return running.answer
    const answer = askHelper(name, keysOf(host)[0]!)
    helped.set(name, { until: Date.now() + helperAnswersForMs, answer })
    answer.catch(() => helped.set(name, { until: Date.now() + helperFailsForMs, answer }))
    return answer
  }

  return async () => {
    try {
      const { auths, credHelpers, credsStore } = await config()
      const keys = keysOf(host)
      const helper = keys.map((key) => credHelpers?.[key]).find((name) => name !== undefined)
      const entry = keys.map((key) => auths?.[key]).find((auth) => auth !== undefined)
      return (
        (helper ? await fromHelper(helper) : undefined) ??
        fromEntry(entry) ??
        (credsStore ? await fromHelper(credsStore) : undefined)
      )
    } catch (error) {
      log.warn('upstream.credentials', { path, host, error })
      return undefined
    }
  }
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry>>
  readonly credHelpers?: Readonly<Record<string, string>>
  readonly credsStore?: string
}

interface AuthEntry {
  readonly auth?: string
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
  readonly registrytoken?: string
}

/** The names an entry for this host may have; Docker Hub has one of its own. */
function keysOf(host: string): readonly string[] {
  const isHub = /^(?:registry-1\.|index\.)?docker\.io$/.test(host)
  return [
    ...(isHub ? ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'] : []),
    host,
    `https://${host}`,
    `https://${host}/`,
  ]
}

function fromEntry(entry: AuthEntry | undefined): Credentials | undefined {
  const { identitytoken, registrytoken, auth, username, password } = entry ?? {}
  const isText = (one: unknown) => one === undefined || one === null || typeof one === 'string'
  if (![identitytoken, registrytoken, auth, username, password].every(isText))
    throw new Error('what it says of this registry is not text')
  if (identitytoken) return { kind: 'identity', token: identitytoken }
  if (registrytoken) return { kind: 'bearer', token: registrytoken }
  const decoded = auth ? Buffer.from(auth, 'base64').toString('utf8') : `${username ?? ''}:${password ?? ''}`
  const colon = decoded.indexOf(':')
  return colon > 0 ? { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) } : undefined
}

/** @see docker/docker-credential-helpers: `get`, the host on standard input, JSON on standard output */
async function askHelper(name: string, host: string): Promise<Credentials | undefined> {
  if (!helperName.test(name)) throw new Error('the name of a credential helper has characters that a program name cannot have')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = execFile(
    `docker-credential-${name}`,
    ['get'],
    { timeout: helperTimeoutMs, maxBuffer: 64 * 1024, env: helperEnvironment(process.env) },
    (error, stdout) => {
      // What a helper prints may hold the secret, so only its name is told on.
      if (error) reject(new Error(`docker-credential-${name} failed (${error.code ?? error.signal ?? 'no code'})`))
      else resolve(stdout)
    },
  )
  child.stdin?.on('error', () => {})
  child.stdin?.end(host)
  const { Username, Secret } = parseSecretly(await promise, `the answer of docker-credential-${name}`)
  if (typeof Username !== 'string' || typeof Secret !== 'string' || !Username || !Secret) return undefined
  return Username === '<token>' ? { kind: 'identity', token: Secret } : { kind: 'password', username: Username, password: Secret }
}

/** What a JSON parser says of a mistake quotes the text around it, which may be the secret. */
function parseSecretly(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is not a JSON object`)
  return value as Readonly<Record<string, unknown>>
}
