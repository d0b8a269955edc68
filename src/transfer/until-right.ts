import type { Source } from '../model/artifact.ts'
import { type Algorithm, algorithmOf, type Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Hashed, Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { untilGone } from '../system/until-gone.ts'
import { type Along, hashAlong } from './along.ts'
import type { Crew } from './crew.ts'
import { nameOf } from './name-of.ts'
import type { Sources } from './sources.ts'

export interface UntilRightDeps {
  readonly what: string
  /** What the whole must agree with; without it, whoever gave it is believed. */
  readonly expected: Digest | undefined
  readonly spool: Spool
  readonly crew: Crew
  readonly sources: Sources
  readonly hasher: Hasher
  readonly log: Logger
  readonly signal: AbortSignal
  readonly size: () => number | undefined
  /** The hashing of this attempt, to be told how far the bytes are right. */
  readonly follow: (along: Along) => void
  readonly wrong: (source: Source, fault: Fault) => void
  /** Nothing of what came is right: it is forgotten, and who was given some of it is cut. */
  readonly startOver: (fault: Fault) => Promise<void>
}

/** Fetches until the digest agrees. A source that gave wrong bytes is left. @throws the Fault that no source could mend */
export async function fetchUntilRight(deps: UntilRightDeps): Promise<Hashed> {
  const { what, expected, spool, sources, log } = deps
  const algorithms = [...new Set<Algorithm>([expected ? algorithmOf(expected) : 'sha256', 'sha256'])]
  for (let hadLeftover = spool.held.total > 0; ; hadLeftover = false) {
    const hashed = await attempt(deps, algorithms)
    if (!expected || hashed.digests.includes(expected)) return hashed
    const actual = hashed.digests.find((digest) => algorithmOf(digest) === algorithmOf(expected))!
    const fault = new Fault('corrupt', { what, expected, actual })
    log.error('fill.corrupt', { what, sources: sources.used.map(nameOf), error: fault })
    if (!hadLeftover) blame(deps, fault)
    if (!sources.pick({ range: false })) throw fault
    await deps.startOver(fault)
    sources.restart()
  }
}

/** Fetches what is missing and hashes all of it, from the first byte, also what an earlier run left. */
async function attempt(deps: UntilRightDeps, algorithms: readonly Algorithm[]): Promise<Hashed> {
  const along = hashAlong(deps.hasher, deps.spool.path, algorithms)
  deps.follow(along)
  try {
    await deps.crew.fetchAll()
    return await untilGone(along.finish(deps.size() ?? 0), deps.signal)
  } catch (error) {
    along.cancel()
    throw error
  }
}

/** Of several nobody knows who it was: a mirror is less to be believed than the upstream, which is then asked for all of it. */
export function blame({ sources, wrong }: Pick<UntilRightDeps, 'sources' | 'wrong'>, fault: Fault): void {
  const { used } = sources
  const mirrors = used.filter(({ place }) => place !== undefined)
  for (const source of mirrors.length > 0 ? mirrors : used) sources.exclude(source, fault)
  if (used.length === 1) wrong(used[0]!, fault)
}
