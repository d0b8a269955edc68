import type { DocumentSource } from '../catalog/catalog.ts'
import { metalinkLimits } from '../formats/metalink-xml.ts'
import { Fault } from '../model/fault.ts'
import { readSmallFile } from '../system/files.ts'

const suffix = /\.(?:meta4|metalink)$/i
const httpUrl = /^https?:\/\//i
const anyScheme = /^[a-z][a-z0-9+.-]*:\/\//i

/** Is this word a metalink rather than a reference: a URL or a file that is called one? */
export function isDocument(word: string): boolean {
  if (httpUrl.test(word)) return suffix.test(URL.parse(word)?.pathname ?? '')
  return !anyScheme.test(word) && suffix.test(word)
}

/** The URL, or what is in the file. @throws Fault 'not-found', 'too-large', 'disk-failed' */
export async function readDocument(word: string): Promise<DocumentSource> {
  if (httpUrl.test(word)) return { url: word }
  const bytes = await readSmallFile(word, metalinkLimits.bytes)
  if (!bytes) throw new Fault('not-found', { what: `the file ${word}` })
  return { bytes, from: word }
}
