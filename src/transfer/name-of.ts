import type { Source } from '../model/artifact.ts'

/** A URL fit for a log line: no user, no query. */
export function nameOf(source: Source): string {
  return source.url.origin + source.url.pathname
}
