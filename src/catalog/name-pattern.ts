import { wildcard } from '../model/wildcard.ts'

/** `*` stands for anything, also slashes; without one the text may stand anywhere in the name. */
export function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true
  if (!pattern.includes('*')) return (name) => name.includes(pattern)
  return wildcard(pattern)
}
