import type { Protocol } from './exchange.ts'
import { libraryDoors } from './library-doors.ts'

const others: Readonly<Record<string, Protocol>> = {
  api: 'shub',
  shub: 'shub',
  static: 'static',
  files: 'files',
  pks: 'files', // keyservers' clients read plain text
}

/** Whose form an error takes that is answered before any route was asked. `first`: part of the path. */
export function protocolOf(first: string): Protocol {
  if (Object.hasOwn(others, first)) return others[first]!
  return (libraryDoors as readonly string[]).includes(first) ? 'library' : 'oci'
}
