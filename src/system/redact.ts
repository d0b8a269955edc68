/** A URL for people: no user, no password, no query, no fragment; what is not a URL comes back cut short. */
export function redactUrl(url: string | URL): string {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return String(url)
      .replace(/[?#].*$/s, '')
      .replace(/\/\/.*@/s, '//')
      .slice(0, 300)
  }
}

const secretName = /authorization|cookie|password|passwd|secret|token|credential|api-?key/i
const urlInText = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi
const schemeInText = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi

/** Free text, such as another library's error message, without what a URL or a header in it may give away. */
export function redactText(text: string): string {
  return text.replace(urlInText, (url) => redactUrl(url)).replace(schemeInText, '$1 [secret]')
}

/** Is this the name of a field whose value must not be seen? */
export function isSecretName(name: string): boolean {
  return secretName.test(name)
}
