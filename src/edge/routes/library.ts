import { Fault } from '../../model/fault.ts'
import type { UpstreamId } from '../../model/reference.ts'
import type { Exchange } from '../exchange.ts'
import { parseLibraryTarget } from '../library-target.ts'
import type { NamedChoice } from '../named-choice.ts'
import type { RequestTarget } from '../target.ts'
import type { createKeyRoute } from './keys.ts'
import type { createLibraryImages } from './library-images.ts'
import type { createLibraryLists } from './library-lists.ts'
import type { createRemoteEndpoint } from './remote-endpoint.ts'

export interface LibraryRoutesDeps {
  readonly choose: NamedChoice
  readonly images: ReturnType<typeof createLibraryImages>
  readonly lists: ReturnType<typeof createLibraryLists>
  readonly endpoint: ReturnType<typeof createRemoteEndpoint>
  readonly keys: ReturnType<typeof createKeyRoute>
}

/** The library API, and what else clients ask where it is. Only its reading side. */
export function createLibraryRoutes({ choose, images, lists, endpoint, keys }: LibraryRoutesDeps) {
  type Answer = (exchange: Exchange, asked: Asked) => Promise<void> | void

  const api: readonly (readonly [RegExp, Answer])[] = [
    [/^v1\/+images\/(.*)$/s, (exchange, asked) => images.image(exchange, of(exchange, asked))],
    [/^v1\/+imagefile\/(.*)$/s, (exchange, asked) => images.file(exchange, of(exchange, asked))],
    [/^v1\/+search()$/, (exchange, asked) => lists.search(exchange, of(exchange, asked))],
    [/^v1\/+entities\/(.*)$/s, (exchange, asked) => lists.one(exchange, 'entities', of(exchange, asked))],
    [/^v1\/+collections\/(.*)$/s, (exchange, asked) => lists.one(exchange, 'collections', of(exchange, asked))],
    [/^v1\/+containers\/(.*)$/s, (exchange, asked) => lists.one(exchange, 'containers', of(exchange, asked))],
    [/^(?:auth\/+)?version()$/, endpoint.version],
    [/^assets\/config\/config\.prod\.json()$/, (exchange, asked) => endpoint.services(exchange, demand(asked))],
    [/^auth\/+v1\/token-status()$/, endpoint.tokenStatus],
    [/^auth\/tokens()$/, endpoint.tokenPage],
    [/^pks\/+lookup()$/, (exchange, asked) => keys(exchange, asked.name === undefined ? undefined : demand(asked), asked.query)],
  ]

  function of(exchange: Exchange, { name, path, query }: Asked) {
    const upstream = choose('library', name)
    exchange.upstream = upstream
    return { upstream, path, query }
  }

  /** The upstream that the path names; where it names none, there must be one that is meant. @throws Fault 'upstream-unknown' */
  function demand({ name }: Asked): UpstreamId | undefined {
    const upstream = choose('library', name)
    return name === undefined ? undefined : upstream
  }

  return async (exchange: Exchange, target: RequestTarget): Promise<void> => {
    const { upstream: name, path } = parseLibraryTarget(target.path)
    const isKey = path.startsWith('pks/')
    exchange.route = isKey ? 'key' : 'document'
    exchange.protocol = isKey ? 'files' : 'library'
    const what = target.path.slice(0, 200)
    if (exchange.incoming.method !== 'GET' && !exchange.isHead)
      throw new Fault('unsupported', { what: `${exchange.incoming.method} ${what}` })
    for (const [shape, answer] of api) {
      const rest = shape.exec(path)?.[1]
      if (rest !== undefined) return answer(exchange, { name, path: rest, query: target.query })
    }
    throw new Fault('not-found', { what })
  }
}

interface Asked {
  readonly name: string | undefined
  readonly path: string
  readonly query: string
}
