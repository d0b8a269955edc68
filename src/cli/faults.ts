import type { Fault, FaultCode } from '../model/fault.ts'
import { type ExitCode, exitCodes } from './command.ts'

const { failed, usage, notFound, unverified } = exitCodes

/** What a fault means to who typed the command: the exit code, and what to do next where that is not plain. */
const meanings: Readonly<Record<FaultCode, readonly [ExitCode, string?]>> = {
  'digest-invalid': [usage],
  'name-invalid': [usage],
  'tag-invalid': [usage],
  'request-invalid': [usage],
  unsupported: [usage],
  'range-unsatisfiable': [failed],
  'precondition-failed': [failed],
  'url-too-long': [usage],
  'upstream-unknown': [notFound, 'Add it to "upstreams" in the settings, or begin the name with one that is there.'],
  'not-found': [notFound, 'See "forebay images" for what is here, and check the spelling.'],
  'not-held': [3],
  unauthenticated: [failed, 'Set "credentials" of this upstream in the settings.'],
  'rights-unknown': [failed, 'Try again later.'],
  denied: [failed, 'Registries also say this of what does not exist; else set "credentials" of this upstream.'],
  'upstream-unreachable': [failed, 'See whether this machine reaches it; a proxy is set by "outbound.httpsProxy".'],
  'upstream-timeout': [failed, 'Try again; what has arrived is kept.'],
  'upstream-status': [failed, 'The registry has a problem; try again later.'],
  'upstream-limited': [failed, 'Try again later, or set "credentials" of this upstream: limits are wider for known users.'],
  'upstream-refused': [failed, 'Check "credentials" of this upstream in the settings.'],
  'upstream-invalid': [failed],
  'outbound-blocked': [failed, 'If this place is to be trusted, name it in "outbound.allow" of the settings.'],
  'source-cut': [failed, 'Try again; what has arrived is kept.'],
  'source-changed': [failed, 'Try again.'],
  corrupt: [unverified, 'Nothing of it was kept. Try again; if it stays, tell the owner of the registry.'],
  'signature-missing': [unverified, 'Nothing of it was kept.'],
  'signature-invalid': [unverified, 'Nothing of it was kept.'],
  'too-large': [failed],
  'all-sources-failed': [failed, 'Try again later; what has arrived is kept.'],
  overloaded: [failed, 'Try again later.'],
  'client-limited': [failed, 'Try again later.'],
  'disk-full': [failed, 'Free some space; "forebay images" and "forebay rm" help to choose.'],
  'disk-failed': [failed],
  'store-locked': [failed, 'If it is a server that is starting or stopping, try again in a moment.'],
  'listen-failed': [failed],
  'config-invalid': [failed, '"forebay config schema" prints what may stand there.'],
  cancelled: [failed],
  internal: [failed, 'This is a mistake of ours; please report it with the log.'],
}

export function exitCodeOf({ code }: Fault): ExitCode {
  return meanings[code][0]
}

/** What was tried, what came of it, and what to do next: for standard error. */
export function printFault(fault: Fault, tried: string): string {
  const [, next] = meanings[fault.code]
  const cause = fault.code === 'internal' && fault.cause instanceof Error ? ` (${fault.cause.message})` : ''
  return `forebay ${tried}: ${fault.message}${cause}\n${next ? `${next}\n` : ''}`
}
