import { createPlaces } from '../system/places.ts'
import { leavingAfter } from './body-answer.ts'
import type { SourceReader } from './upstream.ts'

/** The same reader, for so many bodies at once in all, whatever they come from. */
export function bounded(read: SourceReader['read'], most: number): SourceReader['read'] {
  const places = createPlaces(most)

  return async (source, want, signal) => {
    const leave = await places.enter(signal)
    signal.addEventListener('abort', leave, { once: true })
    try {
      const answer = await read(source, want, signal)
      return { ...answer, body: leavingAfter(answer.body, leave) }
    } catch (error) {
      leave()
      throw error
    }
  }
}
