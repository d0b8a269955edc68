import type { Source } from '../model/artifact.ts'
import type { Repository } from '../model/reference.ts'
import type { Places } from '../system/places.ts'
import { checkedBody } from './body-answer.ts'
import type { Session } from './oci-session.ts'
import type { SourceReader } from './upstream.ts'

export interface OciBlobsDeps {
  readonly session: Session
  readonly places: Places // how many bodies may come in at once
  readonly repositoryOf: (source: Source) => Repository
}

/** Reads bytes of a blob, always beginning at the registry's own URL: where that redirects to may expire. */
export function createOciBlobs({ session, places, repositoryOf }: OciBlobsDeps): SourceReader {
  return {
    async read(source, { range, validator }, signal) {
      const leave = await places.enter(signal)
      signal.addEventListener('abort', leave, { once: true })
      try {
        const asked = range && { range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }
        const answer = await session.send({
          method: 'GET',
          url: source.url,
          headers: { ...asked, ...(asked && validator ? { 'if-range': validator } : {}) },
          repository: repositoryOf(source),
          signal,
        })
        return { ...checkedBody(answer, range), body: leavingAfter(answer.body, leave) }
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}

export async function* leavingAfter(body: AsyncIterable<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } finally {
    leave()
  }
}
