import { parse } from 'yaml'

const prefix = 'FOREBAY_'

// Each scalar setting has a variable of its own; what has deeper structure is given as YAML.
const variables: Readonly<Record<string, { readonly path: readonly string[]; readonly kind: 'text' | 'yaml' }>> = {
  LISTEN_HOST: { path: ['listen', 'host'], kind: 'text' },
  LISTEN_PORT: { path: ['listen', 'port'], kind: 'yaml' },
  LISTEN_TLS_CERTIFICATE: { path: ['listen', 'tls', 'certificate'], kind: 'text' },
  LISTEN_TLS_KEY: { path: ['listen', 'tls', 'key'], kind: 'text' },
  LISTEN_TLS_CLIENT_CA: { path: ['listen', 'tls', 'clientCa'], kind: 'text' },
  LISTEN_TLS_CLIENT_CERTIFICATE: { path: ['listen', 'tls', 'clientCertificate'], kind: 'text' },
  LISTEN_TLS_HTTP2: { path: ['listen', 'tls', 'http2'], kind: 'yaml' },
  LISTEN_REDIRECT: { path: ['listen', 'redirect'], kind: 'yaml' },
  PUBLIC_URL: { path: ['publicUrl'], kind: 'text' },
  PUBLIC_HOSTS: { path: ['publicHosts'], kind: 'yaml' },
  TRUSTED_PROXIES: { path: ['trustedProxies'], kind: 'yaml' },
  LIMITS_CONNECTIONS: { path: ['limits', 'connections'], kind: 'yaml' },
  LIMITS_CONNECTIONS_PER_CLIENT: { path: ['limits', 'connectionsPerClient'], kind: 'yaml' },
  LIMITS_REQUESTS: { path: ['limits', 'requests'], kind: 'yaml' },
  LIMITS_REQUESTS_PER_CLIENT: { path: ['limits', 'requestsPerClient'], kind: 'yaml' },
  LIMITS_BYTES_PER_SECOND: { path: ['limits', 'bytesPerSecond'], kind: 'text' },
  LIMITS_BYTES_PER_SECOND_PER_CLIENT: { path: ['limits', 'bytesPerSecondPerClient'], kind: 'text' },
  LIMITS_HEADERS_TIMEOUT: { path: ['limits', 'headersTimeout'], kind: 'text' },
  LIMITS_REQUEST_TIMEOUT: { path: ['limits', 'requestTimeout'], kind: 'text' },
  LIMITS_CLIENT_IDLE: { path: ['limits', 'clientIdle'], kind: 'text' },
  LIMITS_HEADER_SIZE: { path: ['limits', 'headerSize'], kind: 'text' },
  LIMITS_URL_LENGTH: { path: ['limits', 'urlLength'], kind: 'text' },
  SITE_NAME: { path: ['site', 'name'], kind: 'text' },
  SITE_COUNTRY: { path: ['site', 'country'], kind: 'text' },
  ACCESS_ANONYMOUS: { path: ['access', 'anonymous'], kind: 'text' },
  ACCESS_USERS_FILE: { path: ['access', 'users', 'file'], kind: 'text' },
  ACCESS_NETWORKS: { path: ['access', 'networks'], kind: 'yaml' },
  ACCESS_ADMINS: { path: ['access', 'admins'], kind: 'yaml' },
  STORE_PATH: { path: ['store', 'path'], kind: 'text' },
  STORE_MEMORY: { path: ['store', 'memory'], kind: 'text' },
  STORE_QUOTA: { path: ['store', 'quota'], kind: 'text' },
  STORE_LOW_WATERMARK: { path: ['store', 'lowWatermark'], kind: 'yaml' },
  STORE_MIN_FREE: { path: ['store', 'minFree'], kind: 'text' },
  STORE_PINS: { path: ['store', 'pins'], kind: 'yaml' },
  STORE_SCRUB_RATE: { path: ['store', 'scrub', 'rate'], kind: 'text' },
  STORE_SCRUB_EVERY: { path: ['store', 'scrub', 'every'], kind: 'text' },
  RECORDS_URL: { path: ['records', 'url'], kind: 'text' },
  UPSTREAMS: { path: ['upstreams'], kind: 'yaml' },
  DEFAULTS_OCI: { path: ['defaults', 'oci'], kind: 'text' },
  CATALOG_ANSWER_DEADLINE: { path: ['catalog', 'answerDeadline'], kind: 'text' },
  CATALOG_NEGATIVE_FOR: { path: ['catalog', 'negativeFor'], kind: 'text' },
  TRANSFER_MAX_FILLS: { path: ['transfer', 'maxFills'], kind: 'yaml' },
  TRANSFER_MAX_QUEUED: { path: ['transfer', 'maxQueued'], kind: 'yaml' },
  TRANSFER_LINGER: { path: ['transfer', 'linger'], kind: 'text' },
  OUTBOUND_ALLOW: { path: ['outbound', 'allow'], kind: 'yaml' },
  OUTBOUND_CONNECT_TIMEOUT: { path: ['outbound', 'connectTimeout'], kind: 'text' },
  OUTBOUND_HEADERS_TIMEOUT: { path: ['outbound', 'headersTimeout'], kind: 'text' },
  OUTBOUND_IDLE_TIMEOUT: { path: ['outbound', 'idleTimeout'], kind: 'text' },
  OUTBOUND_MAX_BYTES_PER_SECOND: { path: ['outbound', 'maxBytesPerSecond'], kind: 'text' },
  OUTBOUND_HTTP_PROXY: { path: ['outbound', 'httpProxy'], kind: 'text' },
  OUTBOUND_HTTPS_PROXY: { path: ['outbound', 'httpsProxy'], kind: 'text' },
  OUTBOUND_NO_PROXY: { path: ['outbound', 'noProxy'], kind: 'yaml' },
  OUTBOUND_CA: { path: ['outbound', 'ca'], kind: 'yaml' },
  LOG_LEVEL: { path: ['log', 'level'], kind: 'text' },
  LOG_ACCESS: { path: ['log', 'access'], kind: 'yaml' },
  DRAIN_TIMEOUT: { path: ['drainTimeout'], kind: 'text' },
}

/** What the variables say, shaped like the file, and the names among them that mean no setting. */
export interface EnvironmentSettings {
  readonly settings: Readonly<Record<string, unknown>>
  readonly unknown: readonly string[]
}

/** Settings from `FOREBAY_…` variables. Broken YAML is added to `mistakes`. */
export function readEnvironment(env: NodeJS.ProcessEnv, mistakes: string[]): EnvironmentSettings {
  const settings: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(prefix) || text === undefined || isForOthers(name)) continue
    const variable = Object.hasOwn(variables, name.slice(prefix.length)) ? variables[name.slice(prefix.length)] : undefined
    if (!variable) {
      unknown.push(name)
      continue
    }
    try {
      place(settings, variable.path, variable.kind === 'yaml' ? parse(text, { logLevel: 'error' }) : text)
    } catch (error) {
      mistakes.push(`${name}: ${(error as Error).message.split('\n')[0]!.replace(/:$/, '')}`)
    }
  }
  return { settings, unknown }
}

/** A misspelt variable must not be passed over in silence. */
export function describeUnknown(name: string): string {
  const all = Object.keys(variables).map((one) => prefix + one)
  return `${name}: there is no such variable; there are ${all.join(', ')}`
}

/** Of the command line and of the tests. */
function isForOthers(name: string): boolean {
  return name === 'FOREBAY_CONFIG' || name === 'FOREBAY_E2E' || name.startsWith('FOREBAY_E2E_')
}

function place(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = settings
  for (const key of path.slice(0, -1)) {
    at[key] ??= {}
    at = at[key] as Record<string, unknown>
  }
  at[path.at(-1)!] = value
}
