import type { ByteRange } from '../model/range.ts'
import type { SpoolNote } from './blob-store.ts'

/** What a spool's journal says: one line of JSON for the spool, then one for each state; the last good one counts. */
export interface JournalState {
  readonly held: readonly ByteRange[] // written
  readonly durable: readonly ByteRange[] // written and synced
  readonly note: SpoolNote
}

export interface Journal {
  readonly key: string
  readonly bootId: string
  readonly state: JournalState
}

const version = 1
const rangesKept = 256 // the longest ones; the rest is fetched again
const empty: JournalState = { held: [], durable: [], note: {} }

export function printHeader(key: string, bootId: string): string {
  return `${JSON.stringify({ spool: version, key, boot: bootId })}\n`
}

export function printState({ held, durable, note }: JournalState): string {
  return `${JSON.stringify({ held: printRanges(held), durable: printRanges(durable), ...note })}\n`
}

/** Undefined when the first line is damaged: then nothing is known. A torn or damaged state falls back to the one before. */
export function parseJournal(text: string): Journal | undefined {
  const lines = text.split('\n')
  const header = parseLine(lines[0])
  if (header?.spool !== version || typeof header.key !== 'string' || typeof header.boot !== 'string') return undefined
  for (let at = lines.length - 1; at > 0; at--) {
    const state = parseState(lines[at])
    if (state) return { key: header.key, bootId: header.boot, state }
  }
  return { key: header.key, bootId: header.boot, state: empty }
}

/**
 * The ranges that can be believed: all that was written while the machine has not been restarted since, otherwise what
 * was synced; of either no more than the file is long.
 */
export function believed({ bootId, state }: Journal, now: { bootId: string; size: number }): readonly ByteRange[] {
  return clip(bootId === now.bootId ? state.held : state.durable, now.size)
}

export function clip(ranges: readonly ByteRange[], size: number): readonly ByteRange[] {
  return ranges.filter(({ start }) => start < size).map(({ start, end }) => ({ start, end: Math.min(end, size) }))
}

function parseState(line: string | undefined): JournalState | undefined {
  const fields = parseLine(line)
  const held = parseRanges(fields?.held)
  const durable = parseRanges(fields?.durable)
  if (!fields || !held || !durable) return undefined
  const { size, validator } = fields
  if (size !== undefined && !isOffset(size)) return undefined
  if (validator !== undefined && typeof validator !== 'string') return undefined
  return { held, durable, note: { ...(size === undefined ? {} : { size }), ...(validator === undefined ? {} : { validator }) } }
}

function parseLine(line: string | undefined): Record<string, unknown> | undefined {
  if (!line?.startsWith('{')) return undefined // what is no line of ours costs nothing, however many there are
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function printRanges(ranges: readonly ByteRange[]): readonly (readonly [number, number])[] {
  const length = ({ start, end }: ByteRange) => end - start
  const kept = ranges.length > rangesKept ? ranges.toSorted((a, b) => length(b) - length(a)).slice(0, rangesKept) : ranges
  return kept.map(({ start, end }) => [start, end] as const)
}

function parseRanges(value: unknown): readonly ByteRange[] | undefined {
  if (!Array.isArray(value)) return undefined
  const ranges: ByteRange[] = []
  for (const pair of value as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined
    const [start, end] = pair as readonly unknown[]
    if (!isOffset(start) || !isOffset(end) || start >= end) return undefined
    ranges.push({ start, end })
  }
  return ranges
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
