import { Fault, isFault } from '../model/fault.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactText } from '../system/redact.ts'
import type { Credentials } from './credentials.ts'
import { statusFault } from './oci-session.ts'

/** What an error of a protocol says, in one line; undefined where it is none of its errors. */
export type MessageIn = (body: Uint8Array) => string | undefined

const longestError = 64 * 1024

/** What a final answer that is not a success means, with the reason it gives. Its body is read. */
export async function refusalOf(answer: HttpResponse, messageIn: MessageIn, who: Credentials | undefined): Promise<Fault> {
  const fault = statusFault(answer)
  const said = await messageOf(answer, messageIn)
  if (said === undefined || tellsSecret(said, who)) return fault
  return isFault(fault, 'upstream-status', 'upstream-limited', 'upstream-refused')
    ? new Fault(fault.code, { ...fault.details, said: redactText(said) } as typeof fault.details)
    : fault
}

async function messageOf(answer: HttpResponse, messageIn: MessageIn): Promise<string | undefined> {
  try {
    return messageIn(await answer.bytes(longestError))
  } catch {
    answer.cancel()
    return undefined
  }
}

/** Some servers repeat what they were sent. */
function tellsSecret(said: string, who: Credentials | undefined): boolean {
  const secret = who?.kind === 'password' ? who.password : who?.token
  return secret !== undefined && said.includes(secret)
}
