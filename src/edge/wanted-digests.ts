import type { IncomingHttpHeaders } from 'node:http'
import type { Linking } from '../catalog/catalog.ts'
import { isForReprDigest, parseWantDigest, parseWantReprDigest } from '../formats/digest-headers.ts'
import type { Artifact } from '../model/artifact.ts'
import { type Algorithm, algorithmOf, type Digest } from '../model/digest.ts'
import type { FieldOptions } from './artifact-fields.ts'

/** Does the request ask for digests of its own choice? */
export function wantsDigests(headers: IncomingHttpHeaders): boolean {
  return headers['want-digest'] !== undefined || headers['want-repr-digest'] !== undefined
}

/**
 * The options of an answer that tells the wanted digests that are known, after the sha256.
 *
 * @see RFC 3230 §4.3.1; RFC 9530 §4
 */
export async function withWanted(
  headers: IncomingHttpHeaders,
  { digests: [asked] }: Artifact,
  options: FieldOptions,
  known: Linking['digests'],
): Promise<FieldOptions> {
  const old = parseWantDigest(fieldOf(headers, 'want-digest'))
  const repr = parseWantReprDigest(fieldOf(headers, 'want-repr-digest'))
  if (!asked || old.length + repr.length === 0) return options
  const all = await known(asked)
  const told = { digest: chosen(all, old), reprDigest: chosen(all, repr).filter((one) => isForReprDigest(algorithmOf(one))) }
  return { ...options, told }
}

function chosen([first, ...others]: readonly Digest[], wanted: readonly Algorithm[]): readonly Digest[] {
  const more = wanted.flatMap((algorithm) => others.find((digest) => algorithmOf(digest) === algorithm) ?? [])
  return first ? [first, ...more] : more
}

function fieldOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  return headers[name] === undefined ? undefined : String(headers[name])
}
