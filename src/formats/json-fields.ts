import type { Json } from './json.ts'
import { parseRfc3339, printRfc3339 } from './rfc3339.ts'

/**
 * One field of a foreign document: what it may be, and how we write it. A value of another type or shape is as good as
 * absent, so that nothing which one server sent askew reaches clients that give up on it.
 */
export interface Field<T> {
  readonly name?: string // in the document, where it differs from ours
  read(value: unknown): T | undefined
  print(value: T): unknown
}

/** A field for each property of T, all of which must be optional there: any may be missing. */
export type Fields<T> = { readonly [Key in keyof T]-?: Field<Exclude<T[Key], undefined>> }

const longestLine = 1000
const longestText = 10_000
const mostItems = 10_000

export function readFields<T>(json: Json, fields: Fields<T>): Partial<T> {
  return collect<Partial<T>>(fields, (key, field) => [key, field.read(json[field.name ?? key])])
}

/** What `readFields` would read back as the same; the rest is left out. The order is that of the fields. */
export function printFields<T extends object>(value: T, fields: Fields<T>): Json {
  return collect<Json>(fields, (key, field) => {
    const own = (value as Json)[key]
    const printed = own === undefined ? undefined : field.print(own)
    return [field.name ?? key, field.read(printed) === undefined ? undefined : printed]
  })
}

function collect<Out>(fields: object, entry: (key: string, field: Field<unknown>) => [string, unknown]): Out {
  const entries = Object.entries(fields as Record<string, Field<unknown>>).map(([key, field]) => entry(key, field))
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Out
}

/** The objects of a list, each read with `read`, without those it makes nothing of; a list may be null or missing. */
export function readList<T>(value: unknown, read: (json: unknown) => T | undefined): readonly T[] {
  return Array.isArray(value)
    ? value
        .slice(0, mostItems)
        .map(read)
        .filter((item) => item !== undefined)
    : []
}

/** The field under the name that the document has for it. */
export function named<T>(name: string, field: Field<T>): Field<T> {
  return { ...field, name }
}

/** One line of text that a terminal can show, not empty. */
export const line: Field<string> = asItIs((value) => (isPlain(value, longestLine) && !/[\n\t]/.test(value) ? value : undefined))

/** Several lines of it. */
export const text: Field<string> = asItIs((value) => {
  const lines = typeof value === 'string' ? value.replaceAll('\r\n', '\n') : undefined
  return isPlain(lines, longestText) ? lines : undefined
})

/** What a server tells its things apart by: some count them, and clients insist on text. */
export const identifier: Field<string> = asItIs((value) => line.read(isCount(value) ? String(value) : value))

/** A line of the given shape. */
export function shaped(shape: RegExp): Field<string> {
  return asItIs((value) => (typeof value === 'string' && value.length <= longestLine && shape.test(value) ? value : undefined))
}

/** A whole number, not negative. */
export const count: Field<number> = asItIs((value) => (isCount(value) ? value : undefined))

export const flag: Field<boolean> = asItIs((value) => (typeof value === 'boolean' ? value : undefined))

/** Epoch ms. The year 1 means that there is no time. */
export const time: Field<number> = {
  read: (value) => {
    const at = typeof value === 'string' ? parseRfc3339(value) : undefined
    return at !== undefined && isTime(at) ? at : undefined
  },
  print: (at) => (isTime(at) ? printRfc3339(at) : undefined),
}

/** A list, without what is none of its kind. */
export function listOf<T>(field: Field<T>): Field<readonly T[]> {
  return {
    read: (value) => (Array.isArray(value) ? readList(value, field.read) : undefined),
    print: (values) => values.map(field.print).filter((value) => field.read(value) !== undefined),
  }
}

/** A map by text, without what is none of its kind. */
export function mapOf<T>(key: Field<string>, field: Field<T>): Field<ReadonlyMap<string, T>> {
  return {
    read: (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
      const entries = readList(Object.entries(value), (entry): [string, T] | undefined => {
        const [name, item] = entry as [string, unknown]
        const read = key.read(name) === undefined ? undefined : field.read(item)
        return read === undefined ? undefined : [name, read]
      })
      return new Map(entries)
    },
    print: (map) => {
      const entries = [...map].map(([name, item]): [string, unknown] => [name, field.print(item)])
      return Object.fromEntries(entries.filter(([name, item]) => key.read(name) !== undefined && field.read(item) !== undefined))
    },
  }
}

function asItIs<T>(read: (value: unknown) => T | undefined): Field<T> {
  return { read, print: (value) => value }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTime(at: number): boolean {
  return at >= 0 && at < Date.UTC(10_000, 0)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]/

function isPlain(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest && value.isWellFormed() && !unprintable.test(value)
}
