import { type Algorithm, type Digest, digestOrUndefined } from '../model/digest.ts'
import { algorithmNamed } from './hash-names.ts'

/** Reads `Digest`; what is unknown, malformed or of the wrong length is passed over. @see RFC 3230 §4.3.2, RFC 5843 */
export function parseDigestField(lines: readonly string[]): readonly Digest[] {
  return elementsOf(lines).flatMap((element) => digestIn(/^([^=]+)=(.*)$/.exec(element)))
}

/** Reads `Repr-Digest` in the same way. @see RFC 9530 §3 */
export function parseReprDigest(lines: readonly string[]): readonly Digest[] {
  return elementsOf(lines).flatMap((element) => digestIn(/^([^=]+)=:([^:]*):[ \t]*(?:;.*)?$/.exec(element)))
}

const mostElements = 20

function elementsOf(lines: readonly string[]): readonly string[] {
  return lines
    .flatMap((line) => line.slice(0, 4096).split(','))
    .slice(0, mostElements)
    .map((element) => element.trim())
}

function digestIn(match: RegExpExecArray | null): readonly Digest[] {
  const algorithm = algorithmNamed(match?.[1] ?? '')
  const digest = algorithm && digestFromBase64(algorithm, match?.[2] ?? '')
  return digest === undefined ? [] : [digest]
}

/** Some give base64 of the hex text, as the samples of RFC 5843 do: that has another length, and is passed over. */
function digestFromBase64(algorithm: Algorithm, text: string): Digest | undefined {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text)
    ? digestOrUndefined(`${algorithm}:${Buffer.from(text, 'base64').toString('hex')}`)
    : undefined
}
