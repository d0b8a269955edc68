import { z } from 'zod'
import { count, country, duration, hostName, optionalSize, portion, registryUrl, secret } from './words.ts'

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

export const upstream = z.strictObject({
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
