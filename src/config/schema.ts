import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDuration, parsePortion, parseSize } from './units.ts'

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

/** A share of what is there, written like 10%, or a number of them. */
const portion = (fallback: string, meaning: string) =>
  z
    .union([z.string(), z.number()], { error: 'expected a share such as 10%, or a number' })
    .refine((given) => parsePortion(given) !== undefined, 'expected a share such as 10%, or a number')
    .default(fallback)
    .describe(`${meaning} (share or number)`)
    .transform((given) => parsePortion(given)!)

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
      z.strictObject({ token: secret.describe('Sent as it is, as a Bearer token') }),
    ],
    { error: 'expected { username, password: { file | env } }, { token: { file | env } } or { dockerConfig: PATH }' },
  )
  .describe('Who the proxy is to this upstream; without it, nobody')

const signatures = z
  .strictObject({
    keys: z
      .array(z.string().min(1))
      .min(1)
      .describe('Files with armored OpenPGP public keys that are trusted for what comes from it'),
    required: z.boolean().default(false).describe('Refuse what has no good signature by one of them'),
  })
  .describe("Publishers' signatures; without it, they are passed on unchecked")

const tls = z
  .strictObject({
    certificate: z.string().min(1).describe('PEM file: the certificate, and after it those between it and its authority'),
    key: z.string().min(1).describe('PEM file: its private key, without a passphrase'),
    clientCa: z.string().min(1).optional().describe('PEM file: authorities whose client certificates are believed'),
    clientCertificate: z
      .enum(['optional', 'required'])
      .optional()
      .describe('Whether clients must show one by such an authority; required where clientCa is said'),
    http2: z.boolean().default(true).describe('Clients may speak HTTP/2 too'),
  })
  .describe('Speaks TLS; without it, plain HTTP')

const listener = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address or name to listen on; "0.0.0.0" or "::" for all'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('TCP port; 0 takes a free one'),
  tls: tls.optional(),
  redirect: z
    .boolean()
    .default(false)
    .describe('Plain HTTP only: sends clients to the https publicUrl, but for those of shub, and for health and metrics'),
})

/** A number of bytes that need not be said. */
const optionalSize = (meaning: string) =>
  z
    .string()
    .refine((text) => (parseSize(text) ?? 0) > 0, 'expected a size such as 10MB')
    .optional()
    .describe(`${meaning} (size)`)
    .transform((text) => (text === undefined ? undefined : parseSize(text)!))

const optionalCount = (meaning: string) => z.number().int().min(1).max(1_000_000).optional().describe(meaning)

const network = z
  .string()
  .refine((text) => isIP(text) !== 0 || isCidr(text), 'expected an address or a network such as 10.1.2.0/24')

const country = z
  .string()
  .regex(/^[a-z]{2}$/, 'expected a country as two lower case letters, such as de')
  .describe('ISO 3166-1 alpha-2')

const mirrorKinds = ['registry', 'files', 'forebay', 'tree'] as const
const upstreamKinds = ['oci', 'library', 'shub', 'static', 'files'] as const

const mirror = z
  .strictObject({
    kind: z
      .enum(mirrorKinds)
      .default('registry')
      .describe(
        "registry: the upstream's own API below this path; files: the same files below this path; forebay: another Forebay; tree: a folder with blobs/sha256/HEX",
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
  .refine(
    ({ kind, url }) => kind === 'tree' || kind === 'files' || !url.startsWith('file:'),
    'expected kind: tree or files with a file URL',
  )

const upstream = z.strictObject({
  kind: z
    .enum(upstreamKinds)
    .describe(
      'oci: OCI or Docker v2 registry; library: Sylabs Library API; shub: Singularity Hub API; static: manifests with urls; files: any tree of files',
    ),
  url: registryUrl.describe('Where it is'),
  hosts: z.array(hostName).default([]).describe('Further Host header values that mean this upstream'),
  credentials: credentials.optional(),
  rights: z
    .enum(['site', 'caller'])
    .default('site')
    .describe(
      'Who says who may read what: site, by "access" here, and it is asked as "credentials" say; caller, by itself, which is asked with what each client shows',
    ),
  freshFor: duration('10m', 'How long a tag is trusted without asking'),
  staleIfError: duration('30d', 'How long after that it may be served while the upstream fails'),
  pullReserve: portion(
    '10%',
    'oci: where it tells how many more pulls it allows, so many of them are kept for names that were never seen here',
  ),
  offline: z.boolean().default(false).describe('Never ask it: serve what is held'),
  mirrors: z.array(mirror).max(50).default([]).describe('Other places with the same bytes, asked without credentials'),
  maxConnections: count(6, 1, 256, 'Bodies fetched from it at once'),
  maxBytesPerSecond: optionalSize(
    'How fast bodies are fetched from it and its mirrors, together; as fast as they come, if not said',
  ),
  metalink: z.boolean().default(false).describe('files: ask it for a metalink of each file (the URL with .meta4 after it)'),
  checksums: z
    .boolean()
    .default(true)
    .describe('files: look beside a file for NAME.sha256 and SHA256SUMS, and verify it with them'),
  folders: z
    .enum(['refuse', 'pass'])
    .default('refuse')
    .describe('files: a path that ends with a slash is refused, or passed on like a file'),
  keyserver: registryUrl.optional().describe('library: where keys are looked up; what the library itself names, if not said'),
  tokenServices: z.array(hostName).default([]).describe('Hosts outside its own domain that may be its token service'),
  signatures: signatures.optional(),
})

const userName = z
  .string()
  .regex(/^[^:\s]{1,255}$/, 'expected the name of a user')
  .refine((text) => text !== '*' && text !== 'anonymous', 'expected the name of a user; "*" and "anonymous" mean others')

const rule = z.strictObject({
  upstream: z
    .union([hostName, z.literal('*')], { error: 'expected the name of an upstream, or "*"' })
    .optional()
    .describe('An upstream by its name; any, if not said'),
  repositories: z
    .array(z.string().min(1).max(500))
    .min(1)
    .optional()
    .describe('Repositories, images or paths below it; "*" stands for anything. Any, if not said'),
  users: z
    .array(z.string().regex(/^[^:\s]{1,255}$/, 'expected the name of a user, "*" or "anonymous"'))
    .min(1)
    .optional()
    .describe('Names; "*" is whoever gives one, "anonymous" who gives none. Everybody, if not said'),
  allow: z.enum(['pull', 'none']).describe('Whether they may read it'),
})

const access = z.strictObject({
  anonymous: z
    .enum(['pull', 'none'])
    .default('pull')
    .describe('What clients that give no name may do where no rule says: read everything, or nothing'),
  users: z
    .strictObject({ file: z.string().min(1).describe('As `htpasswd -B` writes it; read again when it changes') })
    .optional()
    .describe('Names and bcrypt hashes of passwords'),
  networks: z.array(network).default([]).describe('Addresses and networks that may connect at all; any, if none is said'),
  admins: z.array(userName).default([]).describe('Users that may read /metrics where not everybody may read everything'),
  rules: z.array(rule).max(1000).default([]).describe('Who may read what; the first that is about it decides'),
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
    .default({ host: '127.0.0.1', port: 8080, redirect: false })
    .describe('Where clients reach it'),
  publicUrl: registryUrl
    .optional()
    .describe('How clients reach it, for URLs that are given out; needed where the first listener is for every address'),
  publicHosts: z.array(hostName).default([]).describe('Further names, with port, under which clients reach it'),
  trustedProxies: z
    .array(network)
    .default([])
    .describe('Proxies in front of it, whose X-Forwarded-For and X-Forwarded-Proto are believed'),
  limits: z
    .strictObject({
      connections: count(20_000, 1, 1_000_000, 'Open connections of clients; more are answered 503'),
      connectionsPerClient: optionalCount('Open connections of one address; more are answered 429. Any number, if not said'),
      requests: count(10_000, 1, 1_000_000, 'Requests being answered; more are answered 503'),
      requestsPerClient: optionalCount('Requests of one address being answered; more are answered 429. Any number, if not said'),
      bytesPerSecond: optionalSize('How fast all clients together are sent bodies; as fast as they read, if not said'),
      bytesPerSecondPerClient: optionalSize('How fast one address is sent bodies; as fast as it reads, if not said'),
      headersTimeout: duration('20s', 'For a TLS handshake, and for the head of a request'),
      requestTimeout: duration('60s', 'For a whole request, with its body'),
      clientIdle: duration('5m', 'How long a client may read nothing of an answer that waits for it'),
      headerSize: size('16KiB', 'Head of a request; longer ones are answered 431'),
      urlLength: size('8KiB', 'URL of a request; longer ones are answered 414'),
    })
    .prefault({}),
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
      quota: z
        .string()
        .refine((text) => parseSize(text) !== undefined, 'expected a size such as 500GB')
        .optional()
        .describe('As much as may be kept, everything counted; as much as the disk has, if not said (size)')
        .transform((text) => (text === undefined ? undefined : parseSize(text)!)),
      lowWatermark: z
        .number()
        .min(0.1)
        .max(1)
        .default(0.98)
        .describe('Once something must go, so much of the quota is kept (0.1 to 1)'),
      minFree: size('0', 'What must stay free on the disk for others'),
      pins: z
        .array(z.string().min(1).max(500))
        .default([])
        .describe('Names that stay whatever room is needed; "*" stands for anything'),
      scrub: z
        .strictObject({
          rate: size(
            '20MiB',
            'So much a second is read again, when nothing else is done, to find what the disk has lost; 0: none',
          ),
          every: duration('30d', 'Each blob once in so long'),
        })
        .prefault({}),
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
  defaults: z
    .strictObject({
      oci: hostName.optional().describe('Upstream of a registry request that names none'),
      library: hostName.optional().describe('Upstream of /v1, /pks and the remote endpoint'),
      shub: hostName.optional().describe('Upstream of /api/container'),
    })
    .prefault({}),
  access: access.prefault({}).describe('Who may read what; everybody everything, if not said'),
  signing: z
    .strictObject({
      key: secret.describe('An armored OpenPGP secret key, by where it is read from'),
      passphrase: secret.optional().describe('What opens it, where it is protected'),
    })
    .optional()
    .describe('Signs metalinks and blobs with a key of the site; without it, nothing is signed'),
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
      maxPerMirror: count(4, 1, 256, 'Bodies fetched at once from one host of mirrors'),
      maxBodies: count(256, 1, 100_000, 'Bodies fetched at once in all'),
      connectTimeout: duration('10s', 'For a connection'),
      headersTimeout: duration('30s', 'For the beginning of an answer'),
      idleTimeout: duration('60s', 'Between two pieces of a body; there is no limit on the whole'),
      maxBytesPerSecond: optionalSize('How fast bodies are fetched, all upstreams together; as fast as they come, if not said'),
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
