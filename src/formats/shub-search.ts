import { invalidDocument, isJsonObject, type Json, parseJson } from './json.ts'
import { type Fields, identifier, line, listOf, named, printFields, readFields, readList, time } from './json-fields.ts'
import { readForeignUrl } from './metalink-urls.ts'
import { shubFields } from './shub.ts'

/** An image as the list of its collection has it. */
export interface ShubEntry {
  readonly name: string
  readonly tag: string
  readonly uri?: string // `collection/name:tag`, or with a version for the tag
  readonly detail?: string // a page for people
}

export interface ShubCollection {
  readonly id?: string
  readonly name: string
  readonly addedAt?: number // epoch ms
  readonly modifiedAt?: number // likewise
  readonly containers: readonly ShubEntry[]
}

/** One page of all collections. */
export interface ShubCollections {
  readonly collections: readonly ShubCollection[]
  readonly next?: string // absolute http(s), where the next page is
}

/** An image that a search found. */
export interface ShubFound {
  readonly id?: string
  readonly collection: string
  readonly name: string
  readonly tag: string
  readonly version?: string
  readonly frozen?: boolean
  readonly addedAt?: number // epoch ms
}

export interface ShubLabel {
  readonly key: string
  readonly value: string
  readonly containers: readonly string[] // `collection/name:tag` of those that have it
}

const entry: Fields<ShubEntry> = { name: line, tag: line, uri: line, detail: line }
const collection: Fields<Omit<ShubCollection, 'containers'>> = {
  id: identifier,
  name: line,
  addedAt: named('add_date', time),
  modifiedAt: named('modify_date', time),
}
const found: Fields<ShubFound> = shubFields
const label: Fields<ShubLabel> = { key: line, value: line, containers: listOf(line) }

/** Reads `api/collections/`: a page with a link to the next, or one list. @throws Fault 'upstream-invalid' */
export function parseShubCollections(body: Uint8Array): ShubCollections {
  const { list, next } = listIn(body, 'results')
  const read = typeof next === 'string' ? readForeignUrl(next) : undefined
  return {
    collections: readList(list, readCollection),
    ...(read?.outcome === 'usable' ? { next: read.url } : {}),
  }
}

/** All on one page: a client that is told of a second asks for the first for ever. */
export function printShubCollections(collections: readonly ShubCollection[]): string {
  const results = collections.map(collectionJson)
  return JSON.stringify({ count: results.length, next: null, previous: null, results })
}

/** Reads `api/collection/<c>`; undefined where it is the empty object, for none of that name. @throws Fault 'upstream-invalid' */
export function parseShubCollection(body: Uint8Array): ShubCollection | undefined {
  const json = parseJson(body, what)
  if (isJsonObject(json) && Object.keys(json).length === 0) return undefined
  const read = readCollection(json)
  if (read === undefined) throw invalidDocument(what, 'it is not a collection')
  return read
}

export function printShubCollection(value: ShubCollection | undefined): string {
  return JSON.stringify(value === undefined ? {} : collectionJson(value))
}

/** Reads `api/container/search/…`. @throws Fault 'upstream-invalid' */
export function parseShubSearch(body: Uint8Array): readonly ShubFound[] {
  return readList(listIn(body, 'containers').list, (json) => whole(json, found, ['collection', 'name', 'tag']))
}

export function printShubSearch(images: readonly ShubFound[]): string {
  return JSON.stringify(images.map((image) => printFields(image, found)))
}

/** Reads `api/labels/search…`. @throws Fault 'upstream-invalid' */
export function parseShubLabels(body: Uint8Array): readonly ShubLabel[] {
  return readList(listIn(body, 'labels').list, (json) => whole(json, label, ['key', 'value', 'containers']))
}

export function printShubLabels(labels: readonly ShubLabel[]): string {
  return JSON.stringify(labels.map((one) => printFields(one, label)))
}

const what = 'the search of the shub registry'

/** The list that the document is, or has below that name. */
function listIn(body: Uint8Array, name: string): { list: unknown; next?: unknown } {
  const json = parseJson(body, what)
  if (Array.isArray(json)) return { list: json }
  if (isJsonObject(json) && Array.isArray(json[name])) return { list: json[name], next: json.next }
  if (isJsonObject(json) && Object.keys(json).length === 0) return { list: [] }
  throw invalidDocument(what, 'it is not a list')
}

function readCollection(json: unknown): ShubCollection | undefined {
  const read = whole(json, collection, ['name'])
  return read && { ...read, containers: readList((json as Json).containers, (item) => whole(item, entry, ['name', 'tag'])) }
}

function collectionJson(value: ShubCollection): Json {
  const uriOf = ({ name, tag }: ShubEntry) => `${value.name}/${name}:${tag}`
  return {
    ...printFields(value, collection),
    containers: value.containers.map((item) => ({ uri: uriOf(item), detail: '', ...printFields(item, entry) })),
  }
}

/** What clients read without asking whether it is there. */
function whole<T>(json: unknown, fields: Fields<T>, needed: readonly (keyof T)[]): T | undefined {
  const value = isJsonObject(json) ? readFields(json, fields) : undefined
  return value !== undefined && needed.every((key) => value[key] !== undefined) ? (value as T) : undefined
}
