import type { Source } from '../model/artifact.ts'
import { toFault } from '../model/fault.ts'
import type { Mirrors } from './mirrors.ts'

interface Body {
  readonly body: AsyncIterable<Uint8Array>
}

type Read<Want, Answer extends Body> = (source: Source, want: Want, signal: AbortSignal) => Promise<Answer>

/** The same reader, telling how each mirror did: what went wrong, and how fast its bytes came. */
export function reporting<Want, Answer extends Body>(
  read: Read<Want, Answer>,
  report: Mirrors['report'],
  now: () => number,
): Read<Want, Answer> {
  async function* measured(source: Source, body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const startedAt = now()
    let bytes = 0
    let hasFailed = false
    try {
      for await (const chunk of body) {
        bytes += chunk.length
        yield chunk
      }
    } catch (error) {
      hasFailed = true
      if (!signal.aborted) report(source, { kind: 'fault', fault: toFault(error, source.url.host) })
      throw error
    } finally {
      if (bytes > 0 && !hasFailed) report(source, { kind: 'bytes', bytes, ms: now() - startedAt })
    }
  }

  return async (source, want, signal) => {
    if (source.place === undefined) return read(source, want, signal)
    try {
      const answer = await read(source, want, signal)
      return { ...answer, body: measured(source, answer.body, signal) }
    } catch (error) {
      if (!signal.aborted) report(source, { kind: 'fault', fault: toFault(error, source.url.host) })
      throw error
    }
  }
}
