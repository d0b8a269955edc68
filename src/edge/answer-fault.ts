import { printLibraryError } from '../formats/library-service.ts'
import { printDescribedByLink } from '../formats/metalink-headers.ts'
import { type Fault, type FaultCode, type FaultDetails, isFault, toFault } from '../model/fault.ts'
import type { Fields } from './artifact-fields.ts'
import type { Exchange, Protocol, Route } from './exchange.ts'

type OciCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

interface Answer {
  readonly status: number
  readonly oci: OciCode
}

/** What a client sees of each fault. @see OCI distribution-spec, "Error Codes" */
export const answers: Readonly<Record<FaultCode, Answer>> = {
  'digest-invalid': { status: 400, oci: 'DIGEST_INVALID' },
  'name-invalid': { status: 400, oci: 'NAME_INVALID' },
  'tag-invalid': { status: 400, oci: 'MANIFEST_INVALID' },
  'request-invalid': { status: 400, oci: 'UNSUPPORTED' },
  unsupported: { status: 405, oci: 'UNSUPPORTED' },
  'range-unsatisfiable': { status: 416, oci: 'SIZE_INVALID' },
  'precondition-failed': { status: 412, oci: 'UNSUPPORTED' },
  'url-too-long': { status: 414, oci: 'UNSUPPORTED' },
  'upstream-unknown': { status: 404, oci: 'NAME_UNKNOWN' },
  'not-found': { status: 404, oci: 'MANIFEST_UNKNOWN' }, // `notFound` says what exactly
  'not-held': { status: 504, oci: 'BLOB_UNKNOWN' }, // RFC 9111 §5.2.1.7
  unauthenticated: { status: 401, oci: 'UNAUTHORIZED' },
  denied: { status: 403, oci: 'DENIED' },
  'rights-unknown': { status: 503, oci: 'UNAVAILABLE' },
  'upstream-unreachable': { status: 502, oci: 'UNAVAILABLE' },
  'upstream-timeout': { status: 504, oci: 'UNAVAILABLE' },
  'upstream-status': { status: 502, oci: 'UNAVAILABLE' },
  'upstream-limited': { status: 429, oci: 'TOOMANYREQUESTS' },
  // Its own credentials cannot mend it: a 401 would make the client ask its user for a password that we never use.
  'upstream-refused': { status: 403, oci: 'DENIED' },
  'upstream-invalid': { status: 502, oci: 'UNAVAILABLE' },
  'outbound-blocked': { status: 502, oci: 'UNAVAILABLE' },
  'source-cut': { status: 502, oci: 'UNAVAILABLE' },
  'source-changed': { status: 502, oci: 'UNAVAILABLE' },
  corrupt: { status: 502, oci: 'UNAVAILABLE' },
  // Asked for by the settings, and no better for asking again.
  'signature-missing': { status: 403, oci: 'DENIED' },
  'signature-invalid': { status: 403, oci: 'DENIED' },
  'too-large': { status: 413, oci: 'SIZE_INVALID' },
  'all-sources-failed': { status: 502, oci: 'UNAVAILABLE' },
  overloaded: { status: 503, oci: 'UNAVAILABLE' },
  'client-limited': { status: 429, oci: 'TOOMANYREQUESTS' },
  'disk-full': { status: 503, oci: 'UNAVAILABLE' },
  'disk-failed': { status: 500, oci: 'UNKNOWN' },
  'store-locked': { status: 503, oci: 'UNAVAILABLE' },
  'listen-failed': { status: 500, oci: 'UNKNOWN' },
  'config-invalid': { status: 500, oci: 'UNKNOWN' },
  cancelled: { status: 503, oci: 'UNAVAILABLE' },
  internal: { status: 500, oci: 'UNKNOWN' },
}

const notFound: Readonly<Record<Route, OciCode>> = {
  metalink: 'MANIFEST_UNKNOWN',
  manifest: 'MANIFEST_UNKNOWN',
  blob: 'BLOB_UNKNOWN',
  tags: 'NAME_UNKNOWN',
  referrers: 'MANIFEST_UNKNOWN',
  catalog: 'UNSUPPORTED',
  ping: 'UNSUPPORTED',
  image: 'MANIFEST_UNKNOWN',
  document: 'MANIFEST_UNKNOWN',
  file: 'BLOB_UNKNOWN',
  key: 'UNSUPPORTED',
  other: 'UNSUPPORTED',
}

const littleBody = 256 * 1024 // bytes

// What is of interest to the operator only: paths, and what went wrong inside.
const hidden: ReadonlySet<FaultCode> = new Set(['disk-full', 'disk-failed', 'store-locked', 'config-invalid', 'internal'])

/** Answers with the protocol's own error body. Only where no header was sent yet. Returns the fault for the log. */
export function answerFault(exchange: Exchange, error: unknown): Fault {
  const fault = toFault(error, `${exchange.incoming.method} ${exchange.route}`)
  const { outgoing, incoming } = exchange
  const { status, oci } = answers[fault.code]
  const code = fault.code === 'not-found' ? notFound[exchange.route] : oci
  const message = hidden.has(fault.code)
    ? `the proxy cannot answer now; its log tells why (request ${exchange.requestId})`
    : fault.message
  const { text, own } = forms[exchange.protocol](message, status, code)
  const body = Buffer.from(`${text}\n`)
  const fields: Fields = [
    ...own,
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'X-Request-Id',
    exchange.requestId,
    ...ownFields(fault),
    ...documentField(exchange, status),
  ]
  // Clients that still send hear nothing of an answer after which nobody reads.
  if (exchange.isLast || !hasLittle(incoming.headers)) fields.push('Connection', 'close')
  outgoing.writeHead(status, fields)
  outgoing.end(exchange.isHead ? undefined : body)
  return fault
}

type Form = (message: string, status: number, code: OciCode) => { readonly text: string; readonly own: Fields }

const json = ['Content-Type', 'application/json']
const plain: Form = (message) => ({ text: message, own: ['Content-Type', 'text/plain; charset=utf-8'] })

/** The shape in which the clients of each protocol look for a reason. */
const forms: Readonly<Record<Protocol, Form>> = {
  oci: (message, _status, code) => ({
    text: JSON.stringify({ errors: [{ code, message }] }),
    own: ['Docker-Distribution-API-Version', 'registry/2.0', ...json],
  }),
  library: (message, status) => ({ text: printLibraryError(status, message), own: json }),
  shub: (message) => ({ text: JSON.stringify({ detail: message }), own: json }),
  static: (message) => ({ text: JSON.stringify({ message }), own: json }),
  files: plain,
}

/** What a fault says besides its words. */
export function ownFields(fault: Fault): Fields {
  if (isFault(fault, 'upstream-limited')) return retryAfter(fault.details.retryAfterMs ?? 60_000)
  if (isFault(fault, 'overloaded', 'client-limited', 'rights-unknown')) return retryAfter(fault.details.retryAfterMs)
  if (isFault(fault, 'range-unsatisfiable')) return ['Content-Range', `bytes */${fault.details.size}`]
  if (isFault(fault, 'unsupported')) return ['Allow', 'GET, HEAD']
  if (isFault(fault, 'unauthenticated')) return ['WWW-Authenticate', fault.details.challenge]
  return []
}

const missingHere: readonly number[] = [404, 502, 503, 504]

/** Of the bytes themselves it says nothing, so that no mirror of them is told here. @see RFC 6249 §4 */
function documentField({ describedBy }: Exchange, status: number): Fields {
  return describedBy !== undefined && missingHere.includes(status) ? ['Link', printDescribedByLink(describedBy)] : []
}

function retryAfter(ms: FaultDetails['overloaded']['retryAfterMs']): Fields {
  return ['Retry-After', String(Math.max(1, Math.ceil(ms / 1000)))]
}

/** Of a body: what is not so little is not read. */
function hasLittle(headers: Exchange['incoming']['headers']): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= littleBody
}
