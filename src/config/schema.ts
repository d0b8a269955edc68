import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDuration, parseSize } from './units.ts'

/** A span of time, written like 90s, 10m, 6h, 30d; in ms. */
const duration = (fallback: string, meaning: string) =>
  z
    .string()
    .refine((text) => parseDuration(text) !== undefined, 'expected a duration such as 90s, 10m, 6h or 30d')
    .default(fallback)
    .describe(`${meaning} (duration)`)
    .transform((text) => parseDuration(text)!)

/** A number of bytes, written like 64KiB, 500GB. */
const size = (fallback: string, meaning: string) =>
  z
    .string()
    .refine((text) => parseSize(text) !== undefined, 'expected a size such as 64KiB or 500GB')
    .default(fallback)
    .describe(`${meaning} (size)`)
    .transform((text) => parseSize(text)!)

const count = (fallback: number, least: number, most: number, meaning: string) =>
  z.number().int().min(least).max(most).default(fallback).describe(meaning)

const httpUrl = z.string().refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'expected an http or https URL')

const registryUrl = httpUrl.refine((text) => {
  const { username, password, search, hash } = URL.parse(text) ?? {}
  return !(username || password || search || hash)
}, 'expected a URL without user, password, "?" or "#"; who we are to the upstream is said by "credentials"')

const hostName = z
  .string()
  .regex(
    /^(?=.{1,255}$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:\d{1,5})?$/,
    'expected a host name in lower case, with a port if it has one',
  )

const secret = z
  .union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) })], {
    error: 'expected { file: PATH } or { env: NAME }; a secret itself is never written here',
  })
  .describe('A secret, by where it is read from')

const credentials = z
  .union(
    [
      z.strictObject({ username: z.string().min(1), password: secret }),
      z.strictObject({ dockerConfig: z.string().min(1).describe("Docker's config.json or podman's auth.json") }),
    ],
    { error: 'expected { username, password: { file | env } } or { dockerConfig: PATH }' },
  )
  .describe('Who the proxy is to this upstream; without it, nobody')

const listener = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address or name to listen on; "0.0.0.0" or "::" for all'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('TCP port; 0 takes a free one'),
})

const country = z
  .string()
  .regex(/^[a-z]{2}$/, 'expected a country as two lower case letters, such as de')
  .describe('ISO 3166-1 alpha-2')

const mirrorKinds = ['registry', 'forebay', 'tree'] as const

const mirror = z
  .strictObject({
    kind: z
      .enum(mirrorKinds)
      .default('registry')
      .describe(
        "registry: the upstream's own API below this path; forebay: another Forebay; tree: a folder with blobs/sha256/HEX",
      ),
    url: z
      .string()
      .refine((text) => /^(https?|file):$/.test(URL.parse(text)?.protocol ?? ''), 'expected an http, https or file URL')
      .refine((text) => {
        const { username, password, search, hash } = URL.parse(text) ?? {}
        return !(username || password || search || hash)
      }, 'expected a URL without user, password, "?" or "#": a mirror answers anybody')
      .describe('Where it is'),
    priority: z.number().int().min(1).max(999_999).default(100).describe('1 is asked first (RFC 5854)'),
    country: country.optional(),
    site: z.string().min(1).max(100).optional().describe('Places of our own site come first'),
    listed: z.boolean().default(true).describe('Clients are told of it'),
  })
  .refine(({ kind, url }) => kind === 'tree' || !url.startsWith('file:'), 'expected kind: tree with a file URL')

const upstream = z.strictObject({
  kind: z.literal('oci', {
    error: 'expected "oci": registries that speak the OCI or Docker v2 API are what this release proxies',
  }),
  url: registryUrl.describe('Where the registry is'),
  hosts: z.array(hostName).default([]).describe('Further Host header values that mean this upstream'),
  credentials: credentials.optional(),
  freshFor: duration('10m', 'How long a tag is trusted without asking'),
  staleIfError: duration('30d', 'How long after that it may be served while the upstream fails'),
  offline: z.boolean().default(false).describe('Never ask it: serve what is held'),
  mirrors: z.array(mirror).max(50).default([]).describe('Other places with the same bytes, asked without credentials'),
  maxConnections: count(6, 1, 256, 'Bodies fetched from it at once'),
  tokenServices: z.array(hostName).default([]).describe('Hosts outside its own domain that may be its token service'),
})

const outboundPlace = z
  .string()
  .refine(
    (text) => isCidr(text) || /^[a-z0-9._-]+:\d{1,5}$|^\[[0-9a-f:.]+\]:\d{1,5}$/i.test(text),
    'expected host:port or a network such as 10.1.2.0/24',
  )

/** Every setting. Sections are named like the folders of the source that they are for. */
export const schema = z.strictObject({
  listen: z
    .union([listener, z.array(listener).min(1)], { error: 'expected { host, port } or a list of them' })
    .default({ host: '127.0.0.1', port: 8080 })
    .describe('Where clients reach it'),
  publicUrl: registryUrl
    .optional()
    .describe('How clients reach it, for URLs that are given out; needed where the first listener is for every address'),
  publicHosts: z.array(hostName).default([]).describe('Further names, with port, under which clients reach it'),
  site: z
    .strictObject({
      name: z.string().min(1).max(100).optional().describe('Mirrors of the same site come first'),
      country: country.optional(),
    })
    .prefault({}),
  store: z
    .strictObject({
      path: z.string().min(1).default('./data').describe('Folder for everything that is kept'),
      memory: size('256MiB', 'Small blobs and manifests kept in memory'),
    })
    .prefault({}),
  records: z
    .strictObject({
      url: z
        .string()
        .regex(/^(sqlite:.+|rediss?:\/\/.+)$/, 'expected sqlite:PATH or redis://HOST:PORT/DB')
        .optional()
        .describe('Index of what is held; sqlite:<store.path>/records.db if not said'),
    })
    .prefault({}),
  upstreams: z
    .record(hostName, upstream, {
      error: ({ code }) =>
        code === 'invalid_type'
          ? 'expected upstreams by name, such as ghcr.io: { kind: oci, url: "https://ghcr.io" }'
          : undefined,
    })
    .refine((all) => Object.keys(all).length > 0, 'expected at least one upstream')
    .describe('Registries, by the name clients use for them'),
  defaults: z.strictObject({ oci: hostName.optional().describe('Upstream of a request that names none') }).prefault({}),
  catalog: z
    .strictObject({
      answerDeadline: duration('2s', 'How long a client of a known tag waits for a slow upstream before it gets what is known'),
      negativeFor: duration('10s', 'How long an upstream that has not got something is believed'),
    })
    .prefault({}),
  transfer: z
    .strictObject({
      maxFills: count(16, 1, 1000, 'Blobs fetched at once'),
      maxQueued: count(1000, 0, 100_000, 'Blobs waiting for their turn; more are answered 503'),
      linger: duration('60s', 'How long a fill goes on after its last reader left'),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      allow: z.array(outboundPlace).default([]).describe('Private places that may be dialled, besides the upstreams'),
      connectTimeout: duration('10s', 'For a connection'),
      headersTimeout: duration('30s', 'For the beginning of an answer'),
      idleTimeout: duration('60s', 'Between two pieces of a body; there is no limit on the whole'),
      httpProxy: httpUrl.optional().describe('Proxy for http upstreams; HTTP_PROXY if not said'),
      httpsProxy: httpUrl.optional().describe('Proxy for https upstreams; HTTPS_PROXY if not said'),
      noProxy: z.array(z.string()).optional().describe('Hosts and domains asked directly; NO_PROXY if not said'),
      ca: z.array(z.string()).default([]).describe('Files with further certificate authorities, PEM'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Least level that is written'),
      access: z.boolean().default(true).describe('A line for each request'),
    })
    .prefault({}),
  drainTimeout: duration('30s', 'How long running answers may take after SIGTERM'),
})

export type Settings = z.output<typeof schema>

function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/')
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits
}
