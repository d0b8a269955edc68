/** Rows as columns wide enough for all, two spaces apart. A heading that begins with `>` is of a column of numbers. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumber = headings.map((heading) => heading.startsWith('>'))
  const all = [headings.map((heading) => heading.replace(/^>/, '')), ...rows]
  const widths = headings.map((_, column) => all.reduce((most, row) => Math.max(most, row[column]!.length), 0))
  const cell = (text: string, column: number) =>
    isNumber[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
  return all.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('')
}

/** `name  value` lines with the values below each other; those without a value are left out. */
export function printFacts(facts: readonly (readonly [string, string | undefined])[]): string {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined)
  const width = Math.max(...known.map(([name]) => name.length))
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}

export function printJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Bytes for people: `512 B`, `3.4 MiB`, `17 GiB`. */
export function printSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes / 1024
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Epoch ms as local time, to the minute: `2026-03-01 14:05`. */
export function printTime(epochMs: number | undefined): string | undefined {
  if (epochMs === undefined) return undefined
  const time = new Date(epochMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
