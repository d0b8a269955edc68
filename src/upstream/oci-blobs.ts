import type { Source } from '../model/artifact.ts'
import type { Repository } from '../model/reference.ts'
import type { Places } from '../system/places.ts'
import { checkedBody, leavingAfter, partFields } from './body-answer.ts'
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
    async read(source, want, signal) {
      const leave = await places.enter(signal)
      want.sent?.()
      signal.addEventListener('abort', leave, { once: true })
      try {
        const answer = await session.send({
          method: 'GET',
          url: source.url,
          headers: partFields(want),
          repository: repositoryOf(source),
          signal,
        })
        return { ...checkedBody(answer, want.range), body: leavingAfter(answer.body, leave) }
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}
