import { decodeOnce } from './percent.ts'

/** What a client of the search asks for. Texts are decoded, and otherwise as they came. */
export type ShubQuery =
  | { readonly kind: 'collections' }
  | { readonly kind: 'collection'; readonly name: string }
  | { readonly kind: 'images'; readonly collection?: string; readonly name: string; readonly tag?: string }
  | { readonly kind: 'labels'; readonly key?: string; readonly value?: string }

const longestPart = 250

/** Reads the raw path behind `api/`; undefined where it is none of a search. @see sregistry shub/apps/api/urls */
export function parseShubQuery(path: string): ShubQuery | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  if (parts.some((part) => part.length > longestPart)) return undefined
  const [first, second, ...rest] = parts.map(decodeOnce)
  if (first === 'collections' && second === undefined) return { kind: 'collections' }
  if (first === 'collection' && second !== undefined && rest.length === 0) return { kind: 'collection', name: second }
  if (first === 'container' && second === 'search') {
    const { collection: within, name, tag, ...others } = pairs(rest) ?? { name: undefined }
    return name === undefined || Object.keys(others).length > 0 ? undefined : { kind: 'images', collection: within, name, tag }
  }
  if (first !== 'labels' || second !== 'search') return undefined
  const { key, value, ...others } = pairs(rest.toReversed()) ?? { other: '' } // here the value stands before its name
  return Object.keys(others).length > 0 ? undefined : { kind: 'labels', key, value }
}

function pairs(parts: readonly string[]): { readonly [name: string]: string | undefined } | undefined {
  if (parts.length % 2 !== 0) return undefined
  return Object.fromEntries(parts.flatMap((part, at) => (at % 2 === 0 ? [[part, parts[at + 1]]] : [])))
}

/** The same path again, as a registry has it. */
export function printShubQuery(query: ShubQuery): string {
  switch (query.kind) {
    case 'collections':
      return 'collections/'
    case 'collection':
      return `collection/${encodeURIComponent(query.name)}`
    case 'images':
      return [
        'container/search',
        ...pair('collection', query.collection),
        ...pair('name', query.name),
        ...pair('tag', query.tag),
      ].join('/')
    case 'labels':
      return ['labels/search', ...pair('key', query.key).toReversed(), ...pair('value', query.value).toReversed()].join('/')
  }
}

function pair(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, encodeURIComponent(value)]
}
