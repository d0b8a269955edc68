/** What must not happen, and did. */
export interface Problems {
  add(kind: string, what: string): void
  readonly lines: readonly string[]
}

const shownOfAKind = 5

export function createProblems(): Problems {
  const kinds = new Map<string, string[]>()
  return {
    add: (kind, what) => void kinds.set(kind, [...(kinds.get(kind) ?? []), what]),
    get lines() {
      return [...kinds].flatMap(([kind, all]) => [
        ...all.slice(0, shownOfAKind).map((what) => `${kind}: ${what}`),
        ...(all.length > shownOfAKind ? [`${kind}: and ${all.length - shownOfAKind} more`] : []),
      ])
    },
  }
}
