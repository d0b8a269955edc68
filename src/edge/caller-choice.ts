import type { IncomingMessage } from 'node:http'
import type { UpstreamId } from '../model/reference.ts'
import { libraryDoors } from './library-doors.ts'
import { parseLibraryTarget } from './library-target.ts'
import { placeIn } from './metalink-path.ts'
import type { NamedChoice } from './named-choice.ts'
import { parseOciPath } from './oci-path.ts'
import { parseTarget, type RequestTarget } from './target.ts'
import type { Naming } from './upstream-choice.ts'

/** Upstreams that say themselves who may read what, and which of them a request is about. */
export interface CallerChoice {
  readonly all: ReadonlySet<UpstreamId>
  /** The one it names: what it shows is for that one, and for nobody else. */
  named(incoming: IncomingMessage): UpstreamId | undefined
  /** It names none, and any may have what it asks for. */
  isByDigest(incoming: IncomingMessage): boolean
}

export interface CallerChoiceDeps {
  readonly upstreams: readonly { readonly id: UpstreamId; readonly kind: string; readonly rights: 'site' | 'caller' }[]
  readonly choose: (naming: Naming) => { readonly upstream: UpstreamId }
  readonly chooseNamed: NamedChoice
  readonly isOwnHost: (host: string) => boolean
}

/** As the routes choose it: what these would understand otherwise is shown to nobody. */
export function createCallerChoice({ upstreams, choose, chooseNamed, isOwnHost }: CallerChoiceDeps): CallerChoice {
  const all = new Set(upstreams.filter(({ rights }) => rights === 'caller').map(({ id }) => id))

  function upstreamOf({ path, query, host }: RequestTarget): UpstreamId | undefined {
    const [, first = '', second = ''] = /^\/+([^/]*)\/*([^/]*)/.exec(path) ?? []
    if (first === 'files' || first === 'static') return chooseNamed(first, second)
    if (first === 'api') return chooseNamed('shub', undefined)
    if (first === 'shub') return chooseNamed('shub', second)
    if (first === 'metalink') {
      const name = placeIn(path)
      const whole = upstreams.find(({ id, kind }) => kind !== 'oci' && name.startsWith(`${id}/`))
      return whole?.id ?? choose({ name, namespaces: [], host: '' }).upstream
    }
    if ((libraryDoors as readonly string[]).includes(first)) return chooseNamed('library', parseLibraryTarget(path).upstream)
    const asked = parseOciPath(path)
    if (!('name' in asked)) return undefined
    return choose({ name: asked.name, namespaces: new URLSearchParams(query).getAll('ns'), host }).upstream
  }

  return {
    all,
    named(incoming) {
      if (all.size === 0) return undefined
      try {
        const upstream = upstreamOf(parseTarget(incoming, isOwnHost))
        return upstream !== undefined && all.has(upstream) ? upstream : undefined
      } catch {
        return undefined // the routes will say what is wrong with it
      }
    },
    isByDigest: ({ url = '' }) => all.size > 0 && /^(?:https?:\/\/[^/]*)?\/+blobs\//i.test(url),
  }
}
