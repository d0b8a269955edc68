/** A URL for people: no user, no password, no query, no fragment; what is not a URL comes back cut short. */
export function redactUrl(url: string | URL): string {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return String(url)
      .replace(/\/\/.*@/s, '//')
      .replace(/[?#].*$/s, '')
      .slice(0, 300)
  }
}

// Most texts of a log line have none of it.
const suspicious = /[@=]|:\/\/|forebay|bearer|basic/i
const secretName = /authorization|cookie|password|passwd|secret|token|credential|api-?key/i
const urlInText = /[a-z][a-z0-9+.-]{0,30}:\/\/[^\s"<>]+/gi
// `alpine@sha256:…` names no user: no host has such a port.
const userEnd = '@(?![a-z0-9+._-]+:[0-9a-f]{7,})'
// Also a password that should have been escaped, as it has a slash or a question mark.
const passwordInUrl = new RegExp(String.raw`^([^:]*:\/\/)[^/?#:@[]*:(?!\d{1,5}[/?#]).*${userEnd}`, 'i')
const userInUrl = new RegExp(String.raw`^([^:]*:\/\/)[^/?#]*${userEnd}`, 'i')
const userInText = new RegExp(String.raw`(?<![^\s"'(=,])[^\s"'<>:@/(=,]+:[^\s"<>@/]{1,1000}${userEnd}`, 'gi')
const queryInUrl = /[?#].*$/
const archOfReference = /^\?arch=[a-z0-9_]+$/i
const punctuation = ").,:;!]}'"
const schemeInText = /\b(Bearer|Basic)\s+(?!realm=)[A-Za-z0-9._~+/=-]{6,}/gi
const ownInText = /\bforebayt?_[A-Za-z0-9_-]{20,}/g
const pairInText = /\b((?:password|passwd|secret|token|api[-_]?key|signature)=)[^\s"'<>&,;]{6,}/gi

/** Free text, such as another library's error message, without what a URL or a header in it may give away. References stay as they are. */
export function redactText(text: string): string {
  if (!suspicious.test(text)) return text
  return text
    .replace(urlInText, redactUrlInText)
    .replace(userInText, '[secret]@')
    .replace(schemeInText, '$1 [secret]')
    .replace(ownInText, '[secret]')
    .replace(pairInText, '$1[secret]')
}

/** Not as a parser prints it: what ends the sentence around it stays, and so does a reference, which only looks like one. */
function redactUrlInText(found: string): string {
  let length = found.length
  while (punctuation.includes(found[length - 1]!)) length--
  const url = found.slice(0, length).replace(passwordInUrl, '$1').replace(userInUrl, '$1')
  const query = queryInUrl.exec(url)?.[0] ?? ''
  const isReference = archOfReference.test(query) && !/^https?:/i.test(url)
  return (isReference ? url : url.replace(queryInUrl, '')) + found.slice(length)
}

/** Is this the name of a field whose value must not be seen? */
export function isSecretName(name: string): boolean {
  return secretName.test(name)
}
