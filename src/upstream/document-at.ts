import { Fault, isFault } from '../model/fault.ts'
import { redactUrl } from '../system/redact.ts'
import type { WebSession } from './web-session.ts'

export interface Asked<T> {
  readonly url: URL
  readonly accept: string
  readonly mostBytes: number
  /** Its faults are said of the URL. */
  readonly parse: (body: Uint8Array) => T
}

/** A small document; undefined where there is none. @throws Fault 'upstream-…', 'too-large' */
export async function documentAt<T>(
  session: Pick<WebSession, 'ask' | 'refusal'>,
  { url, accept, mostBytes, parse }: Asked<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const answer = await session.ask('GET', url, signal, { accept })
  if (answer.status === 404 || answer.status === 410) {
    await answer.discard()
    return undefined
  }
  if (answer.status !== 200) throw await session.refusal(answer)
  const body = await answer.bytes(mostBytes)
  try {
    return parse(body)
  } catch (error) {
    if (!isFault(error, 'upstream-invalid', 'upstream-limited')) throw error
    throw new Fault(error.code, { ...error.details, url: redactUrl(url) } as typeof error.details)
  }
}
