import { Fault } from '../model/fault.ts'

// Paths of metalinks: `/metalink/<upstream>/<name>:<tag>.meta4` and `….meta4` after the path of a blob or file.

/** The document, or the signature of exactly its bytes. */
export type MetalinkPart = 'document' | 'signature'

export const suffixes = { document: '.meta4', signature: '.meta4.asc' } as const

/** The upstream and repository, or image, that a path below `/metalink/` is about. @throws Fault 'request-invalid' */
export function placeIn(path: string): string {
  const { rest } = restOf(path)
  const end = endOfName(rest)
  return end < 0 ? rest : rest.slice(0, end)
}

/** Where a tag or digest begins; -1 where there is none. */
export function endOfName(rest: string): number {
  const at = rest.indexOf('@')
  const colon = rest.lastIndexOf(':')
  return at > 0 ? at : colon > rest.lastIndexOf('/') ? colon : -1
}

/** What stands between the prefix and the suffix, decoded once. No grammar of ours admits a percent sign. */
export function restOf(path: string): { readonly rest: string; readonly part: MetalinkPart } {
  const text = path.slice('/metalink/'.length)
  const part = partAtEnd(text)
  if (!part) throw badPath(text)
  const rest = withoutPart(text, part)
  try {
    return { rest: /%2f/i.test(rest) ? rest : decodeURIComponent(rest), part }
  } catch {
    return { rest, part }
  }
}

/** What a path with that ending means; undefined where it has none of ours. */
export function partAtEnd(path: string): MetalinkPart | undefined {
  if (path.endsWith(suffixes.signature)) return 'signature'
  return path.endsWith(suffixes.document) ? 'document' : undefined
}

export function withoutPart(path: string, part: MetalinkPart): string {
  return path.slice(0, -suffixes[part].length)
}

export function badPath(rest: string): Fault {
  const why = 'expected /metalink/UPSTREAM/REPOSITORY:TAG.meta4 or …@sha256:HEX.meta4'
  return new Fault('request-invalid', { what: `/metalink/${rest.slice(0, 100)}`, why })
}
