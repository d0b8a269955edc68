import { z } from 'zod'
import { access } from './access-schema.ts'
import { listener } from './listener-schema.ts'
import { parseSize } from './units.ts'
import { upstream } from './upstream-schema.ts'
import {
  count,
  country,
  duration,
  hostName,
  httpUrl,
  isCidr,
  network,
  optionalCount,
  optionalSize,
  registryUrl,
  secret,
  size,
} from './words.ts'

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
