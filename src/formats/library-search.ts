import { isJsonObject, type Json } from './json.ts'
import { type Fields, printFields, readFields, readList } from './json-fields.ts'
import { type LibraryImage, libraryData, listLibraryImage, readLibraryImage } from './library-image.ts'
import {
  collectionFields,
  containerFields,
  entityFields,
  type LibraryCollection,
  type LibraryContainer,
  type LibraryEntity,
} from './library-names.ts'

/** What a search found, in the order of the library. */
export interface LibrarySearch {
  readonly entities: readonly LibraryEntity[]
  readonly collections: readonly LibraryCollection[]
  readonly containers: readonly LibraryContainer[]
  readonly images: readonly LibraryImage[]
}

/** Reads the answer of `v1/search`. Its lists may be missing or null. @throws Fault 'upstream-invalid' */
export function parseLibrarySearch(body: Uint8Array): LibrarySearch {
  const data = libraryData(body, 'the search of the library')
  const each =
    <T>(fields: Fields<T>) =>
    (value: unknown) =>
      isJsonObject(value) ? (readFields(value, fields) as T) : undefined
  return {
    entities: readList(data.entity, each(entityFields)),
    collections: readList(data.collection, each(collectionFields)),
    containers: readList(data.container, each(containerFields)),
    images: readList(data.image, readLibraryImage),
  }
}

/** Our own answer to `v1/search`. */
export function printLibrarySearch(found: LibrarySearch): string {
  const data: Json = {
    entity: found.entities.map((value) => printFields(value, entityFields)),
    collection: found.collections.map((value) => printFields(value, collectionFields)),
    container: found.containers.map((value) => printFields(value, containerFields)),
    image: found.images.map(listLibraryImage),
  }
  return JSON.stringify({ data })
}
