import type { Artifact } from '../model/artifact.ts'
import type { NameFacts } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { placeOf, printReference, type UpstreamId } from '../model/reference.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import { untilGone } from '../system/until-gone.ts'
import { type Fill, type Filled, fillKey, type Transfer } from '../transfer/transfer.ts'
import type { NamedUpstream } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import type { Opened, Outcome } from './catalog.ts'
import type { Doubt } from './doubts.ts'
import { printPlace } from './knowledge.ts'
import type { Notes } from './notes.ts'
import { tellingFirst } from './telling-first.ts'

export interface VersionFillsDeps {
  readonly upstreamOf: (facts: NameFacts) => NamedUpstream
  readonly policyOf: (id: UpstreamId) => Policy
  readonly transfer: Transfer
  readonly notes: Notes
  /** What a name means, as an artifact; its digests are left aside. */
  readonly artifactOf: (facts: NameFacts, size: number | undefined) => Artifact
  /** The bytes are here, and now are known to be what the name means. */
  readonly learn: (facts: NameFacts, filled: Filled) => Promise<void>
  readonly doubt: Doubt
  /** @throws Fault 'signature-…' where what is this upstream's has to be signed, and this is not */
  readonly demandSigned: (facts: NameFacts, ask: Ask) => Promise<void>
}

/**
 * Nobody can say before whether the bytes of a version are right, or only by a digest that can be forged: they are taken from
 * its own upstream alone.
 */
export interface VersionFills {
  /** @throws Fault 'not-found', 'not-held', 'upstream-…' */
  open(facts: NameFacts, ask: Ask): Promise<Opened>
  /** Settles once they are here, and known. @throws Fault as `open`; 'corrupt' */
  bring(facts: NameFacts, ask: Ask): Promise<{ readonly blob: StoredBlob; readonly outcome: Outcome }>
  /** True where its bytes came a moment ago: settles when that is known of the name. */
  justCame(facts: NameFacts): Promise<boolean>
}

export function createVersionFills(deps: VersionFillsDeps): VersionFills {
  const { upstreamOf, policyOf, transfer, notes, artifactOf, learn, doubt, demandSigned } = deps
  const learnt = new WeakMap<Fill['stored'], Promise<void>>() // settles when what a fill brought is known of its name
  const learning = new Map<string, Promise<void>>() // the same, by key, until it settles

  const wantedOf = (facts: NameFacts): Artifact => ({
    ...artifactOf(facts, facts.size),
    digests: facts.claimed ? [facts.claimed] : [],
  })

  function demandAllowed({ reference }: NameFacts, ask: Ask): void {
    const what = printReference(reference)
    if (policyOf(reference.upstream).isOffline) throw new Fault('not-found', { what, asked: [] })
    if (ask.onlyIfHeld) throw new Fault('not-held', { what })
  }

  async function begin(facts: NameFacts, ask: Ask): Promise<{ fill: Fill; outcome: Outcome }> {
    demandAllowed(facts, ask)
    await demandSigned(facts, ask)
    return join(facts, ask)
  }

  function join(facts: NameFacts, ask: Ask): { fill: Fill; outcome: Outcome } {
    const { reference, mediaType } = facts
    const wanted = wantedOf(facts)
    const key = fillKey(wanted)
    const joined = transfer.running(key) !== undefined
    const upstream = upstreamOf(facts)
    const fill = transfer.fill(wanted, upstream.sourcesOf(facts, undefined, ask.credentials))
    if (joined) return { fill, outcome: { kind: 'collapsed' } }
    const known = Promise.withResolvers<void>()
    const about = { mediaType, repositories: [printPlace(placeOf(reference))], isPublic: upstream.isPublic }
    notes.take(key, fill, about, (filled) => learn(facts, filled).finally(known.resolve))
    const settled = Promise.race([known.promise, notes.noted(key)]).finally(() => {
      if (learning.get(key) === settled) learning.delete(key)
    })
    learnt.set(fill.stored, settled)
    learning.set(key, settled)
    fill.stored.catch((error) => doubtOf(facts, error))
    return { fill, outcome: { kind: 'miss' } }
  }

  const doubtOf = ({ reference, version }: NameFacts, error: unknown) =>
    doubt([printReference(reference)], error, (now) => now.version === version)

  return {
    async open(facts, ask) {
      const { fill, outcome } = await begin(facts, ask)
      const bytes = tellingFirst(fill.follow(), (error) => doubtOf(facts, error))
      try {
        const { size, version = {} } = await untilGone(fill.opened, ask.signal)
        // The file may have been replaced since its upstream was asked what it means: clients are told what came.
        const validators = { ...facts.validators, ...version }
        return { artifact: artifactOf({ ...facts, id: undefined, validators }, size), outcome, from: 'fill', bytes }
      } catch (error) {
        await bytes[Symbol.asyncDispose]()
        await doubtOf(facts, error) // first: who hears of it may ask again at once
        throw error
      }
    },
    async bring(facts, ask) {
      const { fill, outcome } = await begin(facts, ask)
      await using _ = fill.follow() // who waits for it keeps it going
      try {
        const { blob } = await untilGone(fill.stored, ask.signal)
        await learnt.get(fill.stored)
        return { blob, outcome }
      } catch (error) {
        await doubtOf(facts, error)
        throw error
      }
    },
    async justCame(facts) {
      const key = fillKey(wantedOf(facts))
      const known = transfer.running(key) ? undefined : learning.get(key)
      await known
      return known !== undefined
    },
  }
}
