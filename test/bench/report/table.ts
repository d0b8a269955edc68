import type { Row } from './row.ts'
import { median } from './statistics.ts'

/** Lines of text in columns; numbers are medians, with the least and the greatest of all rounds after them. */
export function printTable(rows: readonly (Row & { readonly figure: string })[]): string {
  const cells = rows.map((row) => [
    row.figure,
    row.what,
    row.target,
    withSpread(row.ours, row.unit),
    row.peer === undefined ? '-' : `${row.peer.who} ${withSpread(row.peer.values, row.unit)}`,
    row.ratio === undefined ? '-' : printNumber(row.ratio),
    row.met === undefined ? '-' : row.met ? 'pass' : 'MISS',
  ])
  const all = [['figure', 'what', 'target', 'measured', 'beside', 'ratio', ''], ...cells]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)))
  const lines = all.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  return [lines[0], widths.map((width) => '-'.repeat(width)).join('  '), ...lines.slice(1)].join('\n')
}

function withSpread(values: readonly number[], unit: string): string {
  const middle = `${printNumber(median(values))}${unit === '' ? '' : ` ${unit}`}`
  if (values.length < 2) return middle
  return `${middle} (${printNumber(Math.min(...values))}..${printNumber(Math.max(...values))})`
}

function printNumber(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)
}
