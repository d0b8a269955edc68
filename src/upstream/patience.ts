import { Fault, isFault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'

const retries = 2
const retryMs = 300

/**
 * For small answers: asks again after a failure that may pass.
 *
 * @param faultOf what such an answer means; it reads or discards the body
 * @throws Fault 'upstream-status' for 5xx and 408 that stay
 */
export async function patiently(
  clock: Pick<Clock, 'sleep'>,
  { signal }: { readonly signal: AbortSignal },
  send: () => Promise<HttpResponse>,
  faultOf: (answer: HttpResponse) => Promise<Fault> = discarded,
): Promise<HttpResponse> {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await send()
      if (!mayPass(answer.status)) return answer
      throw await faultOf(answer)
    } catch (error) {
      if (tries >= retries || !isFault(error, 'upstream-unreachable', 'upstream-status', 'source-cut')) throw error
      await clock.sleep(retryMs * (tries + 1) * (0.75 + Math.random() / 2), signal)
    }
  }
}

/** 501 says that it will never be otherwise. */
function mayPass(status: number): boolean {
  return status === 408 || (status >= 500 && status !== 501)
}

async function discarded(answer: HttpResponse): Promise<Fault> {
  await answer.discard()
  return new Fault('upstream-status', { url: redactUrl(answer.url), status: answer.status })
}
