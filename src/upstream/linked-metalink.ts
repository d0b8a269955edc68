import { parseMetalink } from '../formats/metalink.ts'
import { type ForeignFile, metalink4Type } from '../formats/metalink-document.ts'
import { metalinkLimits } from '../formats/metalink-xml.ts'
import type { Digest } from '../model/digest.ts'
import type { Http } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import type { MetalinkLinks } from './upstream.ts'

/**
 * What the metalink that an answer points to says of one file: that of the digest, or where none is known, the only one.
 * What cannot be used is told to `passOver`, in words for a log.
 *
 * @throws Fault 'upstream-…', 'outbound-blocked', 'upstream-invalid'
 * @see RFC 6249 §4.1
 */
export async function fileInLinkedMetalink(
  http: Pick<Http, 'request' | 'mayLearn'>,
  { describedBy }: MetalinkLinks,
  wanted: { readonly digest: Digest | undefined; readonly size: number | undefined },
  signal: AbortSignal,
  passOver: (why: string) => void = () => {},
): Promise<ForeignFile | undefined> {
  const documents = describedBy.flatMap(({ mediaType, url }) => (mediaType === metalink4Type ? new URL(url) : []))
  const url = documents.find(http.mayLearn)
  if (!url) {
    for (const one of documents) passOver(notToBeAsked(one))
    return undefined
  }
  const answer = await http.request({ method: 'GET', url, headers: { accept: metalink4Type }, signal })
  if (answer.status !== 200) {
    await answer.discard()
    passOver(`${redactUrl(url)} answers ${answer.status}`)
    return undefined
  }
  const { files, ignored } = parseMetalink(await answer.bytes(metalinkLimits.bytes), redactUrl(url))
  for (const why of ignored) passOver(`${why} in ${redactUrl(url)}`)
  const fitting = files.filter(({ size }) => size === undefined || wanted.size === undefined || size === wanted.size)
  const { digest } = wanted
  if (digest === undefined) return files.length === 1 ? fitting[0] : undefined
  return fitting.find(({ digests }) => digests.includes(digest))
}

/** Why a URL that somebody named is left alone. */
export function notToBeAsked(url: URL): string {
  return `${redactUrl(url)} is neither https nor named in the settings, or is this server itself`
}
