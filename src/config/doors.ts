import { isObject } from './objects.ts'
import { parseSize } from './units.ts'

type Raw = Readonly<Record<string, unknown>>

/** What of `listen` does not go together; `raw` is the whole file. */
export function doorMistakes(raw: Raw): string[] {
  const isList = Array.isArray(raw.listen)
  const doors = [raw.listen ?? {}].flat().filter(isObject)
  const mistakes = doors.flatMap((door, at) => {
    const path = isList ? `listen.${at}` : 'listen'
    return [...tlsMistakes(door, path), ...redirectMistakes(door, path, raw, doors)]
  })
  const { headerSize, urlLength } = isObject(raw.limits) ? raw.limits : {}
  const [head, url] = [sizeOf(headerSize, '16KiB'), sizeOf(urlLength, '8KiB')]
  if (head !== undefined && url !== undefined && url >= head)
    mistakes.push('limits.urlLength: the URL is a part of the head, so it has to be less than limits.headerSize')
  return mistakes
}

function tlsMistakes({ tls }: Raw, path: string): string[] {
  return isObject(tls) && tls.clientCertificate !== undefined && tls.clientCa === undefined
    ? [`${path}.tls.clientCertificate: say by clientCa whose certificates are believed`]
    : []
}

function redirectMistakes({ redirect, tls }: Raw, path: string, { publicUrl }: Raw, doors: readonly Raw[]): string[] {
  if (redirect !== true) return []
  if (tls !== undefined) return [`${path}.redirect: this is for a listener without tls`]
  if (publicUrl === undefined ? isNamedTls(doors[0]) : String(publicUrl).startsWith('https:')) return []
  return [`${path}.redirect: say by publicUrl to which https URL`]
}

/** One that can be told to clients. */
function isNamedTls(door: Raw | undefined): boolean {
  return door?.tls !== undefined && door.host !== '0.0.0.0' && door.host !== '::'
}

function sizeOf(value: unknown, fallback: string): number | undefined {
  const text = value ?? fallback
  return typeof text === 'string' ? parseSize(text) : undefined
}
