import fc from 'fast-check'
import { nasties } from './fuzz.ts'

/** A request as it goes over the wire: nothing in it can end its head early. */
export interface HostileRequest {
  readonly method: string
  readonly target: string
  readonly bytes: string // latin1
}

const digest = `sha256:${'a1'.repeat(32)}`
const doors = [
  'v2',
  'library',
  'v1',
  'version',
  'assets',
  'auth',
  'pks',
  'api',
  'shub',
  'static',
  'files',
  'blobs',
  'metalink',
  'healthz',
]
const words = [
  ...[
    'lab.example',
    'lab',
    'hub',
    'storage',
    'data',
    'tool',
    'lab/tool',
    'manifests',
    'blobs',
    'tags',
    'list',
    'referrers',
    '_catalog',
  ],
  ...[
    'v1',
    'latest',
    'images',
    'imagefile',
    'entities',
    'collections',
    'containers',
    'search',
    'oci-redirect',
    'token-status',
    'rbac',
  ],
  ...[
    'users',
    'current',
    'lookup',
    'config',
    'config.prod.json',
    'container',
    'collection',
    'labels',
    'name',
    'sha256',
    'a.sif',
    'sub',
  ],
  ...[digest, digest.slice(7), `sha256.${digest.slice(7)}`, 'tool:v1', 'a.sif.meta4', 'x.meta4', 'uploads', 'metrics', 'readyz'],
  ...['lab/lab/tool/manifests/v1', 'e/c/tool:v1', 'token', 'part', 'add', 'key', 'value'],
]
const known = [
  ...[
    '/v2/',
    '/v2/_catalog',
    '/v2/lab.example/lab/tool/manifests/v1',
    '/v2/lab.example/lab/tool/tags/list',
    '/',
    '/healthz',
    '/metrics',
  ],
  ...[
    `/v2/lab.example/lab/tool/blobs/${digest}`,
    `/v2/lab.example/lab/tool/referrers/${digest}`,
    `/blobs/sha256/${digest.slice(7)}`,
  ],
  ...['/v1/images/e/c/tool:v1', '/library/lab/v1/imagefile/e/c/tool:v1', '/v1/search', '/v1/entities/e', '/v1/collections/e/c'],
  ...['/v1/containers/e/c/tool', '/version', '/assets/config/config.prod.json', '/auth/v1/token-status', '/v1/oci-redirect'],
  ...[
    '/api/container/lab/tool:v1',
    '/api/collections/',
    '/api/collection/lab',
    '/api/container/search/name/tool',
    '/shub/hub/lab/tool',
  ],
  ...['/static/storage/lab/tool/manifests/v1', '/static/storage/lab/tool/tags', '/static/storage/lab/tool/blobs/v1'],
  ...[
    '/files/data/a.sif',
    '/files/data/sub/',
    '/files/data/a.sif.meta4',
    '/pks/lookup?op=get&search=0xA1A1',
    '/v1/rbac/users/current',
  ],
  ...['/metalink/lab.example/lab/tool:v1.meta4', '/metalink/lab/e/c/tool:v1.meta4', `/metalink/data/a.sif.meta4`, '/readyz'],
]
const queries = [
  ...[
    'ns=lab.example',
    'ns=',
    'ns=a&ns=b',
    'n=5',
    'n=-1',
    'n=99999999999',
    'last=v1',
    'last=%00',
    'arch=amd64',
    'arch=%2e%2e',
    'part=1',
  ],
  ...[
    'artifactType=a/b',
    'value=tool',
    'value=%ff',
    'page=2',
    'op=get&search=0x1',
    'op=vindex',
    'platform=linux/amd64',
    'sign=true',
    'x=%',
  ],
  ...['arch%3Damd64', 'accessTypes=pull&mapped=1&namespace=e/c/n', 'search=%2a', '?', '&&==', 'constructor=1', '__proto__[a]=1'],
]
const fields: Readonly<Record<string, readonly string[]>> = {
  Range: [
    'bytes=0-9',
    'bytes=-5',
    'bytes=5-',
    'bytes=0-0,2-2,-1',
    'bytes=9-1',
    'bytes=99999999-',
    'pages=1',
    'bytes=',
    `bytes=${'0-,'.repeat(90)}`,
  ],
  'If-Range': [`"${digest}"`, 'W/"x"', '"', 'Sat, 01 Nov 2025 10:00:00 GMT'],
  'If-None-Match': ['*', `"${digest}"`, 'W/"a", "b"', '"'.repeat(30), ','],
  'If-Match': ['*', '"x"', ','],
  'If-Modified-Since': ['Sat, 01 Nov 2025 10:00:00 GMT', 'never', '9'.repeat(20)],
  'If-Unmodified-Since': ['Sat, 01 Nov 2005 10:00:00 GMT', 'x'],
  Accept: ['*/*', 'application/vnd.oci.image.index.v1+json', 'application/json;q=0', 'a/b;q=x', ','.repeat(50)],
  Authorization: [
    'Basic YTpi',
    'Basic ',
    'Basic %%%',
    'Bearer x',
    'Bearer',
    'Digest a="b"',
    `Bearer forebay_${'A'.repeat(204)}`,
    `Basic ${'Og'.repeat(40)}`,
  ],
  'Want-Digest': ['sha-256;q=1', 'md5, sha-512;q=0.1', '*', ';q='],
  'Want-Repr-Digest': ['sha-512=10', 'sha-256=', 'x=11'],
  'Accept-Encoding': ['gzip', 'identity;q=0', '*;q=0'],
  'Cache-Control': ['no-cache', 'only-if-cached', 'max-age=0', 'max-age=x, no-store'],
  'X-Request-Id': ['abc', 'a'.repeat(500), '{}', '"'],
  'X-Forwarded-For': ['1.2.3.4', '[::1]:5', 'x'],
  Cookie: ['a=b', ';;;'],
  'Content-Type': ['application/json'],
}
const hosts = [
  '127.0.0.1',
  'lab.example',
  'localhost:1',
  '',
  'x',
  '[::1]:80',
  'docker.io:443',
  'a b',
  '%00',
  '-.-',
  'a/b?c#d',
  '[',
  ':::',
  'é',
  'a'.repeat(300),
]
const methods = [
  ...[
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'GET',
    'HEAD',
    'HEAD',
    'HEAD',
  ],
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'],
]
const schemes = ['http://127.0.0.1', 'http://lab.example', 'HTTP://evil.example', 'https://', 'ftp://x']

const nasty = fc.constantFrom(...nasties)
const segment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...words) },
  { weight: 2, arbitrary: nasty },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...words), nasty).map(([word, other]) => word + other) },
  { weight: 1, arbitrary: fc.tuple(nasty, fc.constantFrom(...words)).map(([other, word]) => other + word) },
)
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...known) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...known), fc.nat(80), nasty, fc.nat(6))
      .map(([whole, at, piece, gone]) => whole.slice(0, at) + piece + whole.slice(at + gone)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...doors), fc.array(segment, { maxLength: 6 }))
      .map(([door, parts]) => `/${[door, ...parts].join('/')}`),
  },
)
const query = fc.array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...queries) }, { weight: 1, arbitrary: nasty }), {
  maxLength: 2,
})
const field = fc
  .constantFrom(...Object.keys(fields))
  .chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...fields[name]!) }, { weight: 1, arbitrary: nasty }),
    ),
  )
const host = fc.oneof({ weight: 5, arbitrary: fc.constant('127.0.0.1') }, { weight: 1, arbitrary: fc.constantFrom(...hosts) })

/**
 * Requests for what there is, for what there is not, and for what there should not be.
 *
 * @param there paths of bytes that are there
 */
export function hostileRequests(there: readonly string[]): fc.Arbitrary<HostileRequest> {
  return fc
    .record({
      method: fc.constantFrom(...methods),
      scheme: fc.oneof({ weight: 40, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom(...schemes) }),
      path: fc.oneof({ weight: 5, arbitrary: path }, { weight: 1, arbitrary: fc.constantFrom(...there) }),
      query,
      host,
      fields: fc.array(field, { maxLength: 3 }),
      body: fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: nasty }),
    })
    .map(({ method, scheme, path, query, host, fields, body }) => {
      const target =
        scheme + inTarget(path.startsWith('/') ? path : `/${path}`) + (query.length > 0 ? `?${inTarget(query.join('&'))}` : '')
      const sent = method === 'GET' || method === 'HEAD' ? '' : Buffer.from(body).toString('latin1')
      const head = [
        `${method} ${target} HTTP/1.1`,
        `Host: ${inField(host)}`,
        ...fields.map(([name, value]) => `${name}: ${inField(value)}`),
        ...(sent === '' ? [] : [`Content-Length: ${sent.length}`]),
      ]
      return { method, target, bytes: `${head.join('\r\n')}\r\n\r\n${sent}` }
    })
}

/** Raw where a server may take it, escaped where it would end the request line. */
function inTarget(text: string): string {
  return text.replace(/[\0-\x20\x7f]|[^\0-\xff]+/g, (piece) => encodeURIComponent(piece.toWellFormed()))
}

function inField(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/g, '')
}
