import { bareMediaType, octetStream } from '../model/media-type.ts'
import type { Found } from './upstream.ts'
import type { WebSession } from './web-session.ts'

const mostBytes = 16 * 1024 * 1024
const absent: readonly number[] = [404, 405, 501]

/** Asks a web server for a small document. @throws as `Lookups` */
export async function lookUp(session: WebSession, question: string, signal: AbortSignal): Promise<Found | undefined> {
  const answer = await session.ask('GET', session.urlOf(question), signal)
  if (absent.includes(answer.status)) {
    await answer.discard()
    return undefined
  }
  if (answer.status !== 200) throw await session.refusal(answer)
  const nextPage = answer.header('x-hkp-next-page-token')
  return {
    body: await answer.bytes(mostBytes),
    mediaType: bareMediaType(answer.header('content-type')) ?? octetStream,
    ...(nextPage !== undefined && /^[\x21-\x7e]{1,1000}$/.test(nextPage) && { nextPage }),
  }
}
