/** What was counted, which stays true when whoever counted it is gone: all but what is only so now. */
export function countedIn(text: string): string {
  return familiesOf(text)
    .filter((family) => !/^# TYPE \S+ gauge$/m.test(family))
    .join('')
}

/**
 * What several processes count, together: the same series of each added up, whatever it is. All are in the text format that
 * `Metrics` gives; what a family is, is told by the first that has it.
 */
export function sumMetrics(texts: readonly string[]): string {
  const families = new Map<string, { readonly head: string; readonly series: Map<string, number> }>()
  for (const text of texts.filter(Boolean)) {
    for (const family of familiesOf(text)) {
      const [help = '', type = '', ...lines] = family.split('\n')
      const known = families.get(help) ?? { head: `${help}\n${type}\n`, series: new Map<string, number>() }
      families.set(help, known)
      for (const line of lines.filter(Boolean)) {
        const space = line.lastIndexOf(' ')
        const name = line.slice(0, space)
        known.series.set(name, (known.series.get(name) ?? 0) + Number(line.slice(space + 1)))
      }
    }
  }
  const print = ({ head, series }: { head: string; series: ReadonlyMap<string, number> }) =>
    head + [...series].map(([name, value]) => `${name} ${value}\n`).join('')
  return [...families.values()].map(print).join('')
}

function familiesOf(text: string): readonly string[] {
  return text.split(/^(?=# HELP )/m)
}
