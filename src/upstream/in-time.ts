import { Fault } from '../model/fault.ts'
import { redactUrl } from '../system/redact.ts'

/** For small answers, which a slow server could make last for ever. @throws Fault 'upstream-timeout' */
export async function inTime<T>(
  url: URL,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patience = AbortSignal.timeout(ms)
  try {
    return await work(AbortSignal.any([signal, patience]))
  } catch (error) {
    if (error !== patience.reason) throw error
    throw new Fault('upstream-timeout', { url: redactUrl(url), phase: 'answer', ms })
  }
}
