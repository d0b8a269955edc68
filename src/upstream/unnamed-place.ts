import { Fault, isFault } from '../model/fault.ts'

/**
 * What goes wrong at a place whose URL may hold a secret is said of what led there instead. Nothing else of it is told on,
 * not the cause either.
 */
export function saidOf(shown: string, error: unknown): unknown {
  if (isFault(error, 'not-found')) return new Fault('not-found', { what: shown })
  if (!isFault(error) || !('url' in error.details)) return error
  return new Fault(error.code, { ...error.details, url: shown } as typeof error.details)
}

export async function* sayingOf(shown: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw saidOf(shown, error)
  }
}
