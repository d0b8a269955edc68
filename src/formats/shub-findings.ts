import type { ShubQuery } from './shub-query.ts'
import {
  parseShubCollection,
  parseShubCollections,
  parseShubLabels,
  parseShubSearch,
  printShubCollection,
  printShubCollections,
  printShubLabels,
  printShubSearch,
  type ShubCollection,
  type ShubFound,
  type ShubLabel,
} from './shub-search.ts'

/** What a search came to. */
export type ShubFindings =
  | { readonly kind: 'collections'; readonly collections: readonly ShubCollection[] }
  | { readonly kind: 'collection'; readonly collection: ShubCollection | undefined }
  | { readonly kind: 'images'; readonly images: readonly ShubFound[] }
  | { readonly kind: 'labels'; readonly labels: readonly ShubLabel[] }

/** Reads the answer to a query; `next` is where the next page is, if there is one. @throws Fault 'upstream-invalid' */
export function parseShubFindings(kind: ShubQuery['kind'], body: Uint8Array): { findings: ShubFindings; next?: string } {
  switch (kind) {
    case 'collections': {
      const { collections, next } = parseShubCollections(body)
      return { findings: { kind, collections }, ...(next !== undefined && { next }) }
    }
    case 'collection':
      return { findings: { kind, collection: parseShubCollection(body) } }
    case 'images':
      return { findings: { kind, images: parseShubSearch(body) } }
    case 'labels':
      return { findings: { kind, labels: parseShubLabels(body) } }
  }
}

export function printShubFindings(findings: ShubFindings): string {
  switch (findings.kind) {
    case 'collections':
      return printShubCollections(findings.collections)
    case 'collection':
      return printShubCollection(findings.collection)
    case 'images':
      return printShubSearch(findings.images)
    case 'labels':
      return printShubLabels(findings.labels)
  }
}
