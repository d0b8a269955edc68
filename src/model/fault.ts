/** Every way things go wrong, with what an operator asks next. Never put a secret or a query string into a detail. */
export interface FaultDetails {
  // what a client sent
  'digest-invalid': { text: string }
  'name-invalid': { text: string; why: string }
  'tag-invalid': { text: string }
  'request-invalid': { what: string; why: string }
  unsupported: { what: string }
  'range-unsatisfiable': { size: number }
  'precondition-failed': { what: string; why: string }
  'url-too-long': { limit: number } // bytes
  'upstream-unknown': { name: string }
  // what it may or may not have
  'not-found': { what: string; asked?: readonly string[] }
  'not-held': { what: string }
  unauthenticated: { what: string; challenge: string; why?: string }
  denied: { what: string; by: string }
  'rights-unknown': { what: string; why: string; retryAfterMs: number }
  // what an upstream or another source did
  'upstream-unreachable': { url: string; why: string }
  'upstream-timeout': { url: string; phase: 'connect' | 'headers' | 'body' | 'answer'; ms: number }
  // `said`: what it gave as its reason, in one line
  'upstream-status': { url: string; status: number; said?: string }
  // `spared`: it was not even asked, and why
  'upstream-limited': { url: string; retryAfterMs?: number; said?: string; spared?: string }
  'upstream-refused': { url: string; status: 401 | 403; said?: string }
  'upstream-invalid': { url: string; why: string }
  'outbound-blocked': { url: string; why: string }
  'source-cut': { url: string; received: number; expected?: number }
  'source-changed': { url: string; why: string }
  corrupt: { what: string; expected: string; actual: string }
  'signature-missing': { what: string; upstream: string; trusted: readonly string[]; asked: readonly string[] }
  'signature-invalid': { what: string; upstream: string; trusted: readonly string[]; why: string }
  'too-large': { what: string; limit: number }
  'all-sources-failed': { what: string; tried: readonly string[] }
  // ourselves
  overloaded: { what: string; retryAfterMs: number }
  'client-limited': { what: string; retryAfterMs: number }
  'disk-full': { path: string }
  'disk-failed': { path: string; why: string }
  'store-locked': { path: string; by: string }
  'listen-failed': { at: string; why: string }
  'config-invalid': { file: string; mistakes: readonly string[] }
  cancelled: { what: string }
  internal: { what: string }
}
export type FaultCode = keyof FaultDetails

/**
 * What a transfer does about it: `next-source` asks another place now, `later` may work if tried again
 * after a while, `none` will not get better by itself.
 */
export const remedies: Readonly<Record<FaultCode, 'next-source' | 'later' | 'none'>> = {
  'digest-invalid': 'none',
  'name-invalid': 'none',
  'tag-invalid': 'none',
  'request-invalid': 'none',
  unsupported: 'none',
  'range-unsatisfiable': 'none',
  'precondition-failed': 'none',
  'url-too-long': 'none',
  'upstream-unknown': 'none',
  'not-found': 'next-source',
  'not-held': 'next-source',
  unauthenticated: 'none',
  denied: 'none',
  'rights-unknown': 'later',
  'upstream-unreachable': 'next-source',
  'upstream-timeout': 'next-source',
  'upstream-status': 'next-source',
  'upstream-limited': 'next-source',
  'upstream-refused': 'next-source',
  'upstream-invalid': 'next-source',
  'outbound-blocked': 'next-source',
  'source-cut': 'next-source',
  'source-changed': 'next-source',
  corrupt: 'next-source',
  'signature-missing': 'none',
  'signature-invalid': 'none',
  'too-large': 'none',
  'all-sources-failed': 'later',
  overloaded: 'later',
  'client-limited': 'later',
  'disk-full': 'later',
  'disk-failed': 'later',
  'store-locked': 'later',
  'listen-failed': 'later',
  'config-invalid': 'none',
  cancelled: 'none',
  internal: 'none',
}

/** The one error class of the house. `code` is stable; `message` is for people. */
export class Fault<Code extends FaultCode = FaultCode> extends Error {
  override readonly name = 'Fault'
  readonly code: Code
  readonly details: FaultDetails[Code]

  constructor(code: Code, details: FaultDetails[Code], options?: { cause?: unknown }) {
    super(describe(code, details), options)
    this.code = code
    this.details = details
  }
}

/** Narrows an unknown error to a Fault of one of the given codes (any code when none is given). */
export function isFault<Code extends FaultCode>(error: unknown, ...codes: readonly Code[]): error is Fault<Code> {
  return error instanceof Fault && (codes.length === 0 || codes.includes(error.code as Code))
}

/** Wraps what is not yet a Fault as `internal`, keeping it as the cause. */
export function toFault(error: unknown, what: string): Fault {
  return error instanceof Fault ? error : new Fault('internal', { what }, { cause: error })
}

/** Is this an upstream that fails rather than one that answers: the cases in which a known answer may be served stale. */
export function isUpstreamFailing(error: unknown): error is Fault {
  return isFault(
    error,
    'upstream-unreachable',
    'upstream-timeout',
    'upstream-status',
    'upstream-limited',
    'upstream-invalid',
    'source-cut',
    'corrupt',
    'all-sources-failed',
    'overloaded',
  )
}

type Describe = { readonly [Code in FaultCode]: (details: FaultDetails[Code]) => string }

const sentences: Describe = {
  'digest-invalid': ({ text }) =>
    `"${text}" is not a digest; write algorithm:hex in lower case, for example sha256: and 64 hex digits`,
  'name-invalid': ({ text, why }) => `"${text}" is not a repository name: ${why}`,
  'tag-invalid': ({ text }) =>
    `"${text}" is not a tag; write up to 128 letters, digits, "_", "." or "-", not starting with "." or "-"`,
  'request-invalid': ({ what, why }) => `${what}: ${why}`,
  unsupported: ({ what }) => `${what} is not supported: this is a read-only proxy`,
  'range-unsatisfiable': ({ size }) => `the range lies outside the ${size} bytes there are`,
  'precondition-failed': ({ what, why }) => `${what} does not hold: ${why}`,
  'url-too-long': ({ limit }) => `the URL is longer than ${limit} bytes`,
  'upstream-unknown': ({ name }) => `no upstream named "${name}" is configured here`,
  'not-found': ({ what, asked }) => `${what} was not found${asked?.length ? ` (asked ${asked.join(', ')})` : ''}`,
  'not-held': ({ what }) => `${what} is not held here, and only-if-cached was asked for`,
  unauthenticated: ({ what, why }) => `${what} needs credentials${because(why)}`,
  denied: ({ what, by }) => `${what} may not be read: refused by ${by}`,
  'rights-unknown': ({ what, why }) => `whether ${what} may be read cannot be found out: ${why}`,
  'upstream-unreachable': ({ url, why }) => `${url} cannot be reached: ${why}`,
  'upstream-timeout': ({ url, phase, ms }) => `${url} timed out after ${ms} ms (${phase})`,
  'upstream-status': ({ url, status, said }) => `${url} answered ${status}${because(said)}`,
  'upstream-limited': ({ url, said, spared }) =>
    spared === undefined ? `${url} says there were too many requests${because(said)}` : `${url} was not asked: ${spared}`,
  'upstream-refused': ({ url, status, said }) => `${url} refused access (${status})${because(said)}`,
  'upstream-invalid': ({ url, why }) => `${url} sent an answer that cannot be used: ${why}`,
  'outbound-blocked': ({ url, why }) => `${url} was not asked: ${why}`,
  'source-cut': ({ url, received, expected }) =>
    `${url} stopped after ${received} of ${expected ?? 'an unknown number of'} bytes`,
  'source-changed': ({ url, why }) => `${url} no longer gives the bytes it began with: ${why}`,
  corrupt: ({ what, expected, actual }) => `${what} has the wrong content: expected ${expected}, got ${actual}`,
  'signature-missing': ({ what, upstream, trusted, asked }) =>
    `${what} has no OpenPGP signature (looked for at ${asked.join(', ') || 'no place, as none may be asked now'}), and "${upstream}" requires one by ${trusted.join(' or ')}; have it signed, or set upstreams.${upstream}.signatures.required to false`,
  'signature-invalid': ({ what, upstream, trusted, why }) =>
    `${what} has no good OpenPGP signature: ${why}; "${upstream}" requires one by ${trusted.join(' or ')}; have it signed by one of these keys, or add the key of its signer to upstreams.${upstream}.signatures.keys`,
  'too-large': ({ what, limit }) => `${what} is larger than the limit of ${limit} bytes`,
  'all-sources-failed': ({ what, tried }) => `${what} could not be fetched from any source: ${tried.join('; ')}`,
  overloaded: ({ what }) => `too much at once: ${what}`,
  'client-limited': ({ what }) => `too much at once for one client: ${what}`,
  'disk-full': ({ path }) => `no space left below ${path}`,
  'disk-failed': ({ path, why }) => `${path}: ${why}`,
  'store-locked': ({ path, by }) => `the store at ${path} is in use by ${by}; stop it, or let this command speak to it`,
  'listen-failed': ({ at, why }) => `cannot listen on ${at}: ${why}`,
  'config-invalid': ({ file, mistakes }) =>
    `${file} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((m) => `  ${m}`).join('\n')}`,
  cancelled: ({ what }) => `${what} was cancelled`,
  internal: ({ what }) => `internal error: ${what}`,
}

function describe<Code extends FaultCode>(code: Code, details: FaultDetails[Code]): string {
  return sentences[code](details)
}

function because(said: string | undefined): string {
  return said === undefined ? '' : `: ${said}`
}
