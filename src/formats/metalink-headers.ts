import { Fault } from '../model/fault.ts'
import { type Link, parseLinkField } from './link-fields.ts'
import { lowestPriority, type MetalinkUrl, metalink4Type } from './metalink-document.ts'
import { countryOf, wholeNumber } from './metalink-reading.ts'
import { isLinkUrl, readForeignUrl } from './metalink-urls.ts'
import { metalinkLimits } from './metalink-xml.ts'

/**
 * A mirror of the bytes, as the value of one Link field line of its own: clients read only the first of a joined line, and
 * not a rel in quotes.
 *
 * @see RFC 6249 §3
 */
export function printDuplicateLink({ url, priority, country }: MetalinkUrl): string {
  return `<${checked(url)}>; rel=duplicate; pri=${priority}${country === undefined ? '' : `; geo=${country}`}`
}

/** A document about the bytes: their metalink, or with `application/pgp-signature` a signature of them. @see RFC 6249 §4 */
export function printDescribedByLink(url: string, mediaType: string = metalink4Type): string {
  return `<${checked(url)}>; rel=describedby; type="${mediaType}"`
}

function checked(url: string): string {
  if (!isLinkUrl(url)) throw new Fault('internal', { what: 'a Link would have a URL that is not plain, absolute http(s)' })
  return url
}

/** What an upstream's Link fields say of the bytes it sent. URLs are absolute http(s), not yet allowed to be dialled. */
export interface MetalinkLinks {
  readonly duplicates: readonly MetalinkUrl[] // by priority, equal ones as they came
  readonly describedBy: readonly { readonly url: string; readonly mediaType: string | undefined }[]
}

/**
 * Reads Link fields, joined or not; what cannot be read or is meant for another resource is passed over. Links met on a
 * mirror are to be ignored, and those of an answer without a digest trusted by the asked digest alone.
 *
 * @param base the URL that answered
 * @see RFC 8288 §3, RFC 6249 §3 and §4
 */
export function parseLinks(fields: string | readonly string[] | undefined, base: string): MetalinkLinks {
  const duplicates: MetalinkUrl[] = []
  const describedBy: { url: string; mediaType: string | undefined }[] = []
  for (const { target, parameters } of [fields ?? []].flat().flatMap(parseLinkField)) {
    const read = readForeignUrl(target, base)
    if (target.length > metalinkLimits.urlLength || read.outcome === 'refused' || parameters.has('anchor')) continue
    const relations = (parameters.get('rel') ?? '').toLowerCase().split(/\s+/)
    const { url } = read
    if (relations.includes('duplicate') && duplicates.length < metalinkLimits.urls) duplicates.push(place(url, parameters))
    if (relations.includes('describedby') && describedBy.length < metalinkLimits.urls)
      describedBy.push({ url, mediaType: parameters.get('type')?.toLowerCase() })
  }
  return { duplicates: duplicates.toSorted((one, other) => one.priority - other.priority), describedBy }
}

function place(url: string, parameters: Link['parameters']): MetalinkUrl {
  const priority = wholeNumber(parameters.get('pri'))
  const country = countryOf(parameters.get('geo'))
  return {
    url,
    priority: priority !== undefined && priority > 0 && priority < lowestPriority ? priority : lowestPriority,
    ...(country === undefined ? {} : { country }),
  }
}
