const segment = '[A-Za-z0-9][A-Za-z0-9._+-]{0,254}'
const allowed = new RegExp(`^${segment}(?:/${segment})*$`)
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unreadable = /[\0-\x1f\x7f\\]/

/** Is this a file name that every metalink client writes as it stands? No client decodes or escapes any of its characters. */
export function isMetalinkName(name: string): boolean {
  return allowed.test(name)
}

/** The nearest allowed name: `_` for what is not allowed inside a segment, nothing for what may not begin one. */
export function toMetalinkName(text: string): string {
  const segments = text.split('/').map((part) =>
    part
      .replace(/[^A-Za-z0-9._+-]/g, '_')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 255),
  )
  return segments.filter((part) => part !== '').join('/') || 'file'
}

/** What is wrong with a name met in somebody else's document; nothing if it stays below the folder it is saved in. */
export function mistakeInForeignName(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (unreadable.test(name)) return 'has a backslash or control character'
  if (!name.isWellFormed()) return 'has half a character'
  if (name.startsWith('/')) return 'is absolute'
  for (const part of name.split('/')) {
    if (part === '..' || part === '.') return `has a "${part}" in it`
    if (part === '') return 'has an empty part'
    if (Buffer.byteLength(part) > 255) return 'has a part of more than 255 bytes'
  }
  return undefined
}
