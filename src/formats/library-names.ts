import {
  count,
  type Field,
  type Fields,
  flag,
  identifier,
  line,
  listOf,
  mapOf,
  printFields,
  readFields,
  text,
  time,
} from './json-fields.ts'
import { libraryData } from './library-image.ts'

/** What a library says of each thing that it has a name for. @see container-library-client client/models.go */
interface LibraryThing {
  readonly id?: string
  readonly name?: string
  readonly description?: string
  readonly createdAt?: number // epoch ms
  readonly updatedAt?: number // likewise
}

/** A user or group. */
export interface LibraryEntity extends LibraryThing {
  readonly collections?: readonly string[] // ids
}

export interface LibraryCollection extends LibraryThing {
  readonly entity?: string // an id
  readonly entityName?: string
  readonly containers?: readonly string[] // ids
  readonly private?: boolean
}

export interface LibraryContainer extends LibraryThing {
  readonly fullDescription?: string
  readonly entity?: string // an id
  readonly entityName?: string
  readonly collection?: string // an id
  readonly collectionName?: string
  readonly images?: readonly string[] // ids
  readonly imageTags?: ReadonlyMap<string, string> // tag to the id of an image
  readonly archTags?: ReadonlyMap<string, ReadonlyMap<string, string>> // the same, by architecture
  readonly downloadCount?: number
  readonly stars?: number
  readonly private?: boolean
  readonly readOnly?: boolean
}

const common: Fields<LibraryThing> = { id: identifier, name: line, description: text, createdAt: time, updatedAt: time }
const ids = listOf(identifier)
const tags: Field<ReadonlyMap<string, string>> = mapOf(line, identifier)

export const entityFields: Fields<LibraryEntity> = { ...common, collections: ids }
export const collectionFields: Fields<LibraryCollection> = {
  ...common,
  entity: identifier,
  entityName: line,
  containers: ids,
  private: flag,
}
export const containerFields: Fields<LibraryContainer> = {
  ...common,
  fullDescription: text,
  entity: identifier,
  entityName: line,
  collection: identifier,
  collectionName: line,
  images: ids,
  imageTags: tags,
  archTags: mapOf(line, tags),
  downloadCount: count,
  stars: count,
  private: flag,
  readOnly: flag,
}

/** Reads the answer of `v1/entities/<e>`. @throws Fault 'upstream-invalid' */
export function parseLibraryEntity(body: Uint8Array): LibraryEntity {
  return readFields(libraryData(body, 'the entity in the library'), entityFields)
}

/** Reads the answer of `v1/collections/<e>/<c>`. @throws Fault 'upstream-invalid' */
export function parseLibraryCollection(body: Uint8Array): LibraryCollection {
  return readFields(libraryData(body, 'the collection in the library'), collectionFields)
}

/** Reads the answer of `v1/containers/<e>/<c>/<n>`. @throws Fault 'upstream-invalid' */
export function parseLibraryContainer(body: Uint8Array): LibraryContainer {
  return readFields(libraryData(body, 'the container in the library'), containerFields)
}

export function printLibraryEntity(value: LibraryEntity): string {
  return JSON.stringify({ data: printFields(value, entityFields) })
}

export function printLibraryCollection(value: LibraryCollection): string {
  return JSON.stringify({ data: printFields(value, collectionFields) })
}

export function printLibraryContainer(value: LibraryContainer): string {
  return JSON.stringify({ data: printFields(value, containerFields) })
}
