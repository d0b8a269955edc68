import type { HeldName, Lookup, Passing } from '../../catalog/catalog.ts'
import { type LibraryImage, readLibraryImage } from '../../formats/library-image.ts'
import {
  type LibraryContainer,
  parseLibraryCollection,
  parseLibraryContainer,
  parseLibraryEntity,
  printLibraryCollection,
  printLibraryContainer,
  printLibraryEntity,
} from '../../formats/library-names.ts'
import { parseLibraryArch, parseLibraryName } from '../../formats/library-path.ts'
import { parseLibrarySearch, printLibrarySearch } from '../../formats/library-search.ts'
import { Fault, isUpstreamFailing } from '../../model/fault.ts'
import type { ImageReference } from '../../model/reference.ts'
import type { Exchange } from '../exchange.ts'
import { answerJson } from '../short-answer.ts'
import type { LibraryAsked } from './library-images.ts'

const shortestValue = 3 // letters, as libraries demand
const longestValue = 200
const usualArch = 'amd64'
const usualPart = 'default'

type Level = 'entities' | 'collections' | 'containers'

const rewritten: Readonly<Record<Level, (body: Uint8Array) => string>> = {
  entities: (body) => printLibraryEntity(parseLibraryEntity(body)),
  collections: (body) => printLibraryCollection(parseLibraryCollection(body)),
  containers: (body) => printLibraryContainer(parseLibraryContainer(body)),
}

/**
 * What a library has: its own answers, without what clients stumble over; where it has none, or cannot be asked, what is
 * held here of it.
 */
export function createLibraryLists(catalog: Passing) {
  /** Undefined: there is no answer to pass on. @throws Fault where the upstream answers, but not this */
  async function passed(exchange: Exchange, { upstream }: LibraryAsked, question: string): Promise<Lookup | undefined> {
    try {
      const answer = await catalog.lookup({ upstream, about: 'library' }, question, exchange)
      return answer.found ? answer : undefined
    } catch (error) {
      if (isUpstreamFailing(error)) return undefined
      throw error
    }
  }

  return {
    async search(exchange: Exchange, asked: LibraryAsked): Promise<void> {
      const query = new URLSearchParams(asked.query)
      const value = (query.get('value') ?? '').trim()
      if (value.length < shortestValue || value.length > longestValue)
        throw new Fault('request-invalid', { what: 'value', why: `a search takes ${shortestValue} to ${longestValue} letters` })
      const arch = parseLibraryArch(asked.query)
      const isSigned = query.get('signed') === 'true'
      const wanted = { value, ...(arch && { arch }), ...(isSigned && { signed: 'true' }) }
      const answer = await passed(exchange, asked, `v1/search?${new URLSearchParams(wanted)}`)
      if (answer?.found) return answerJson(exchange, printLibrarySearch(parseLibrarySearch(answer.found.body)), answer.outcome)
      const images = (await catalog.heldNames(asked.upstream))
        .filter(({ facts }) => isMatch(facts.reference as ImageReference, value, arch))
        .map(imageOf)
        .filter(({ signed }) => !isSigned || signed === true)
      answerJson(exchange, printLibrarySearch({ entities: [], collections: [], containers: [], images: joined(images) }))
    },

    async one(exchange: Exchange, level: Level, asked: LibraryAsked): Promise<void> {
      const name = parseLibraryName(asked.path)
      const answer = await passed(exchange, asked, `v1/${level}/${name}`)
      if (answer?.found) return answerJson(exchange, rewritten[level](answer.found.body), answer.outcome)
      const below = (await catalog.heldNames(asked.upstream)).filter(({ facts }) =>
        isBelow(facts.reference as ImageReference, name, level),
      )
      if (below.length === 0) throw new Fault('not-found', { what: `${asked.upstream}/${name}`, asked: [asked.upstream] })
      answerJson(exchange, printHeld(level, name.split('/'), below))
    },
  }
}

function isMatch({ name, arch = usualArch }: ImageReference, value: string, wanted: string | undefined): boolean {
  return name.toLowerCase().includes(value.toLowerCase()) && (wanted === undefined || wanted === arch)
}

function isBelow({ name }: ImageReference, wanted: string, level: Level): boolean {
  return level === 'containers' ? name === wanted : name.startsWith(`${wanted}/`)
}

function imageOf({ facts, id }: HeldName): LibraryImage {
  const { name, pointer, arch = usualArch } = facts.reference as ImageReference
  const [containerName, collectionName = usualPart, entityName = usualPart] = name.split('/').reverse()
  const said = readLibraryImage(facts.about)
  return { ...said, digest: id, arch, tags: [pointer], containerName: containerName!, collectionName, entityName, uploaded: true }
}

/** One image for all tags that mean it. */
function joined(images: readonly LibraryImage[]): readonly LibraryImage[] {
  const found = new Map<string, LibraryImage>()
  for (const image of images) {
    const key = [image.entityName, image.collectionName, image.containerName, image.digest].join('/')
    const tags = [...(found.get(key)?.tags ?? []), ...(image.tags ?? [])]
    found.set(key, { ...image, tags: [...new Set(tags)].sort() })
  }
  return [...found.values()]
}

/** Its name is what tells it apart, where nobody gave it a number. */
function printHeld(level: Level, parts: readonly string[], below: readonly HeldName[]): string {
  const own = { id: parts.join('/'), name: parts.at(-1)! }
  switch (level) {
    case 'entities':
      return printLibraryEntity(own)
    case 'collections':
      return printLibraryCollection({ ...own, entity: parts[0]!, entityName: parts[0]! })
    case 'containers':
      return printLibraryContainer({ ...own, ...tagsOf(below) })
  }
}

function tagsOf(names: readonly HeldName[]): Pick<LibraryContainer, 'imageTags' | 'archTags'> {
  const archTags = new Map<string, Map<string, string>>()
  for (const { facts, id } of names) {
    const { pointer, arch = usualArch } = facts.reference as ImageReference
    archTags.set(arch, (archTags.get(arch) ?? new Map()).set(pointer, id))
  }
  return { archTags, imageTags: archTags.get(usualArch) ?? new Map() }
}
