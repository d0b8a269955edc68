/**
 * Which names a pattern means: `*` stands for anything, slashes too. Each part is looked for behind the one before and never
 * again, so that no name, however it was chosen, takes longer than it is long: a regular expression would.
 */
export function wildcard(pattern: string): (name: string) => boolean {
  const [first = '', ...between] = pattern.split(/\*+/)
  const last = between.pop()
  if (last === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(first) || !name.endsWith(last)) return false
    let at = first.length
    for (const part of between) {
      const found = name.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at + last.length <= name.length
  }
}
