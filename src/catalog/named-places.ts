import type { Source } from '../model/artifact.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { redactUrl } from '../system/redact.ts'

const namedPriority = 600_000 // after the upstream: what it has itself is its own word

export type MayLearn = (url: URL) => boolean

/**
 * Other places that a manifest names for a blob, to be asked without credentials. Layers that may not be handed on are
 * often nowhere else.
 *
 * @see OCI image-spec, descriptor.md, "urls"
 */
export function sourcesNamed(urls: readonly string[] = [], via: UpstreamId, mayLearn: MayLearn): readonly Source[] {
  return urls
    .map((url) => new URL(url))
    .filter(mayLearn)
    .map((url, at): Source => ({ url, via, priority: namedPriority + at, place: 'learnt' }))
}

/** That the registry has not got it is only half of what went wrong, where its manifest names other places. */
export function withPlacesNamed(error: unknown, what: string, urls: readonly string[] = [], mayLearn: MayLearn): unknown {
  if (urls.length === 0 || !isFault(error, 'not-found')) return error
  const tried = urls.map((text) => {
    const url = new URL(text)
    const why = mayLearn(url)
      ? 'did not give it'
      : 'was not asked: a place that is private or not https has to be named in outbound.allow, and this server does not ask itself'
    return `${redactUrl(url)}, which its manifest names, ${why}`
  })
  return new Fault('all-sources-failed', { what, tried: [error.message, ...tried] }, { cause: error })
}
