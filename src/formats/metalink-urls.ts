const pathCharacters = "[A-Za-z0-9._~:/?[\\]@!$&'()*+,;=%-]*"
const httpUrl = new RegExp(`^https?://[A-Za-z0-9._~:[\\]-]+/${pathCharacters}$`)
const fileUrl = new RegExp(`^file:///${pathCharacters}$`)

/** May this URL stand in a Link line: absolute http(s) in plain characters, no user, no fragment? */
export function isLinkUrl(url: string): boolean {
  return httpUrl.test(url)
}

/** May it stand in a document: as for a Link, or a file tree that the site lists? */
export function isDocumentUrl(url: string): boolean {
  return httpUrl.test(url) || fileUrl.test(url)
}

/** A URL that somebody else wrote: the canonical form of what may be considered, or why it may not. */
export type ForeignUrl =
  | { readonly outcome: 'usable'; readonly url: string }
  | { readonly outcome: 'refused'; readonly why: string }

/** Reads a foreign URL, relative to `base` where one is given. Says nothing about whether the host may be dialled. */
export function readForeignUrl(text: string, base?: string): ForeignUrl {
  const url = URL.parse(text, base)
  if (url === null) return refused('a URL that is not absolute')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refused(`a ${url.protocol.slice(0, 20)} URL`)
  if (url.username !== '' || url.password !== '') return refused('a URL with a user or password in it')
  url.hash = ''
  return { outcome: 'usable', url: url.href }
}

function refused(why: string): ForeignUrl {
  return { outcome: 'refused', why }
}
