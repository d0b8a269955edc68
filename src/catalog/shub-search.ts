import { printHash } from '../formats/image-hash.ts'
import { parseShubFindings, type ShubFindings } from '../formats/shub-findings.ts'
import { printShubQuery, type ShubQuery } from '../formats/shub-query.ts'
import type { ShubCollection, ShubFound } from '../formats/shub-search.ts'
import { Fault, isFault, isUpstreamFailing } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { type ImageReference, printReference, type UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { Policy } from './answers.ts'
import type { Outcome, Passing, Pulls } from './catalog.ts'
import type { Names } from './names.ts'

export interface ShubSearchDeps {
  readonly lookup: Passing['lookup']
  readonly records: Pick<Records, 'names'>
  readonly names: Pick<Names, 'held'>
  readonly policyOf: (id: UpstreamId) => Policy
}

const mostPages = 50
const longestQuestion = 2000

/** What a shub registry finds; where it has no search or cannot be asked, what is held of it. */
export function createShubSearch({ lookup, records, names, policyOf }: ShubSearchDeps): Pick<Pulls, 'searchShub' | 'spelling'> {
  type Found = Awaited<ReturnType<Pulls['searchShub']>>

  /** Undefined where it has no such search. */
  async function askUpstream(upstream: UpstreamId, query: ShubQuery, ask: Ask): Promise<Found | undefined> {
    const first = `api/${printShubQuery(query)}`
    const pages: ShubFindings[] = []
    let outcome: Outcome = { kind: 'hit' }
    for (let question: string | undefined = first; question !== undefined && pages.length < mostPages; ) {
      const answer = await lookup({ upstream, about: 'shub' }, question, ask)
      if (!answer.found) return undefined
      const { findings, next } = read(query, answer.found.body, upstream)
      pages.push(findings)
      if (answer.outcome.kind !== 'hit') outcome = answer.outcome
      question = next === undefined ? undefined : nextPage(first, next)
    }
    return { findings: joined(pages), outcome }
  }

  async function* heldImages(
    upstream: UpstreamId,
    isWanted: (name: string) => boolean = () => true,
  ): AsyncGenerator<ShubFound & { readonly reference: ImageReference }> {
    for await (const [key, facts] of records.names.entries(`${upstream}/`)) {
      const { reference } = facts
      if (reference.kind !== 'image' || !isWanted(key)) continue
      const stored = await names.held(facts)
      if (!stored) continue
      const [collection = '', name = ''] = reference.name.split('/')
      yield { collection, name, tag: reference.pointer, version: printHash(stored.id), reference }
    }
  }

  async function searchHeld(upstream: UpstreamId, query: ShubQuery): Promise<ShubFindings> {
    const images: ShubFound[] = []
    if (query.kind !== 'labels') for await (const { reference: _, ...found } of heldImages(upstream)) images.push(found)
    images.sort((a, b) => (uriOf(a) < uriOf(b) ? -1 : 1))
    switch (query.kind) {
      case 'collections':
        return { kind: 'collections', collections: collectionsOf(images) }
      case 'collection':
        return { kind: 'collection', collection: collectionsOf(images).find(({ name }) => isAlike(name, query.name)) }
      case 'images':
        return { kind: 'images', images: images.filter((image) => isMeant(image, query)) }
      case 'labels':
        return { kind: 'labels', labels: [] } // they are told by the registry only
    }
  }

  return {
    async searchShub(upstream, query, ask) {
      let why = 'this upstream has no search'
      try {
        const found = await askUpstream(upstream, query, ask)
        if (found) return found
      } catch (error) {
        if (!isUpstreamFailing(error) || policyOf(upstream).rights === 'caller') throw error
        why = error.message
      }
      // Which of what is held whoever asks may know of, only the upstream could say.
      if (policyOf(upstream).rights === 'caller') throw new Fault('not-found', { what: 'a search', asked: [upstream] })
      const outcome: Outcome = { kind: 'stale', ageMs: 0, why: `only what is held here: ${why}` }
      return { findings: await searchHeld(upstream, query), outcome }
    },
    async spelling(reference) {
      const wanted = printReference(reference)
      const alike: ImageReference[] = []
      for await (const held of heldImages(reference.upstream, (name) => isAlike(name, wanted))) alike.push(held.reference)
      return alike.length === 1 ? alike[0] : undefined
    },
  }
}

function read(query: ShubQuery, body: Uint8Array, upstream: UpstreamId) {
  try {
    return parseShubFindings(query.kind, body)
  } catch (error) {
    if (!isFault(error, 'upstream-invalid')) throw error
    throw new Fault('upstream-invalid', { ...error.details, url: `the search of ${upstream}` })
  }
}

/** Of the URL of a next page only what it asks for is taken: we go on asking where we asked before. */
function nextPage(question: string, url: string): string | undefined {
  const { search } = new URL(url)
  return search === '' || search.length > longestQuestion ? undefined : question + search
}

/** One answer of all pages: only collections come in several. */
function joined(pages: readonly ShubFindings[]): ShubFindings {
  const collections = pages.flatMap((page) => (page.kind === 'collections' ? page.collections : []))
  return pages.find(({ kind }) => kind !== 'collections') ?? { kind: 'collections', collections }
}

function collectionsOf(images: readonly ShubFound[]): readonly ShubCollection[] {
  const byName = Map.groupBy(images, ({ collection }) => collection)
  return [...byName].map(([name, containers]) => ({
    id: name,
    name,
    containers: containers.map(({ name, tag }) => ({ name, tag })),
  }))
}

function isMeant(image: ShubFound, { collection, name, tag }: Extract<ShubQuery, { kind: 'images' }>): boolean {
  return (
    (collection === undefined || isAlike(image.collection, collection)) &&
    (tag === undefined || isAlike(image.tag, tag)) &&
    image.name.toLowerCase().includes(name.toLowerCase())
  )
}

/** sregistry's own client writes every name in lower case. */
function isAlike(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function uriOf({ collection, name, tag }: ShubFound): string {
  return `${collection}/${name}:${tag}`
}
