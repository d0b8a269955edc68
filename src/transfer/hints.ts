import type { Source } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import type { Discover, MetalinkLinks } from '../upstream/upstream.ts'
import { type Checking, type CheckingDeps, createChecking } from './checking.ts'
import { nameOf } from './name-of.ts'
import type { Mention } from './transfer.ts'

/** What an answer leads to besides its bytes: more places, and hashes of pieces. Only hints: the digest decides. */
export interface Hints {
  /** The source answered. The first answer that has links is followed, where the blob is worth it. */
  follow(links: MetalinkLinks | undefined, source: Source): void
  /** Piece hashes at work, if any. */
  readonly checking: Checking | undefined
  /** What each place that answered said, unless it was itself learnt this way. */
  readonly mentions: readonly Mention[]
  /** All bytes are fetched anew: the hashes did not keep the wrong ones out. */
  drop(): void
  /** The fill is over: nobody is asked any more. */
  end(): void
}

export interface HintsDeps extends Omit<CheckingDeps, 'pieces' | 'size' | 'spool'> {
  /** What the blob is known by; without a digest that is strong nobody else's bytes may be mixed with the upstream's. */
  readonly expected: Digest | undefined
  readonly discover: Discover
  readonly log: Logger
  readonly signal: AbortSignal
  readonly size: () => number | undefined
  /** Where the bytes are kept, while pieces of them may be checked. */
  readonly checkable: () => Spool | undefined
  readonly began: () => void
}

const mostMentions = 8
const worthDiscovering = 8 * 1024 * 1024 // bytes: below it more connections cost more than they bring

export function createHints(deps: HintsDeps): Hints {
  const { what, expected, sources, log } = deps
  let checking: Checking | undefined
  const over = new AbortController()
  let hasFollowed = false
  const mentions = new Map<string, Mention>() // by URL of the source

  function mention(from: Source, said: Partial<Mention>): void {
    const { href } = from.url
    const before = mentions.get(href) ?? { from, links: undefined, signature: undefined }
    if (mentions.has(href) || mentions.size < mostMentions) mentions.set(href, { ...before, ...said })
  }

  function checkWith(pieces: PieceHashes, size: number): void {
    const spool = deps.checkable()
    if (!spool || checking || deps.size() !== size) return
    checking = createChecking({ ...deps, pieces, size, spool })
    deps.began()
  }

  return {
    get checking() {
      return checking
    },
    get mentions() {
      return [...mentions.values()]
    },
    follow(links, source) {
      if (source.place !== 'learnt') mention(source, { links })
      const size = deps.size()
      if (!links || hasFollowed || !expected || size === undefined || size < worthDiscovering) return
      hasFollowed = true
      const signal = AbortSignal.any([deps.signal, over.signal])
      deps.discover(expected, size, links, source, signal).then(
        ({ pieces, sources: more, signature }) => {
          sources.add(more)
          if (signature !== undefined) mention(source, { signature })
          if (pieces) checkWith(pieces, size)
        },
        (error) => {
          if (!over.signal.aborted) log.info('fill.discover', { what, url: nameOf(source), error })
        },
      )
    },
    drop() {
      checking?.giveUp()
      checking = undefined
    },
    end: () => over.abort(new Fault('cancelled', { what: `asking for more of ${what}, which is over,` })),
  }
}
