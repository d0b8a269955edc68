import type { Source } from '../model/artifact.ts'
import { parseDigest } from '../model/digest.ts'
import { Fault, isFault, toFault } from '../model/fault.ts'
import { type BlobReference, parseRepository, type UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createPlaces } from '../system/places.ts'
import { redactUrl } from '../system/redact.ts'
import { createHealth, type Health } from './health.ts'
import type { Listed, MirrorState, Mirrors, Outcome } from './mirrors.ts'
import { isOrigin, type MirrorKind, type OriginKind, urlAt } from './places.ts'
import { type Here, rank } from './rank.ts'

export interface Place {
  readonly upstream: UpstreamId
  readonly kind: MirrorKind | OriginKind
  readonly url: URL
  readonly priority: number
  readonly country: string | undefined
  readonly site: string | undefined
  readonly isListed: boolean // clients may be told of it, where it holds the bytes
}

export interface MirrorsDeps {
  readonly places: readonly Place[] // mirrors; and each upstream itself, last, if clients may be told of it
  readonly here: Here
  readonly clock: Clock
  /** A list of places that several sites share names ourselves too. */
  readonly isOwn?: (url: URL) => boolean
  /** The size that the bytes there have for somebody without credentials; undefined: it has not got them. @throws Fault */
  readonly sizeAt: (source: Pick<Source, 'url' | 'place'>, signal: AbortSignal) => Promise<number | undefined>
}

const heldForMs = 6 * 3_600_000 // what a digest names does not change; that it is there may
const missingForMs = 5 * 60_000
const closedForMs = 3_600_000
const proofTimeoutMs = 10_000
const questionsAtOnce = 8 // to one place: an image may have thousands of blobs
const proofsKept = 100_000

export function createMirrors({ places, here, clock, sizeAt, isOwn = () => false }: MirrorsDeps): Mirrors {
  const all = places.map((place) => ({
    ...place,
    example: urlOf(place, anyBlobOf(place)) ?? place.url,
    isOwn: undefined as boolean | undefined,
    health: createHealth(clock.now),
    closedUntil: 0,
    questions: createPlaces(questionsAtOnce),
  }))
  const proofs = createMemoryCache<string, { readonly isHeld: boolean; readonly since: number }>({
    maxEntries: proofsKept,
    clock,
  })
  // What was last known, without a time: so that asking again and hearing the same changes nothing.
  const wasHeld = createMemoryCache<string, { readonly isHeld: boolean; readonly since: number }>({ maxEntries: proofsKept })
  const placeOf = new WeakMap<Source, Known>()
  const asking = new Map<string, Promise<void>>()

  type Known = (typeof all)[number]
  const unending = new AbortController().signal // each question that is waited for has a limit of its own
  let version = 0

  // Asked once: who we are is known by the time that somebody asks, and does not change.
  const isOurselves = (place: Known) => (place.isOwn ??= isOwn(place.example))
  const placesOf = (upstream: UpstreamId) => all.filter((place) => place.upstream === upstream && !isOurselves(place))

  function ranked(upstream: UpstreamId): readonly Known[] {
    const byKey = (place: Known) => ({ ...place, place, bytesPerSecond: place.health.bytesPerSecond })
    return rank(placesOf(upstream).map(byKey), here).map(({ place }) => place)
  }

  function learn(url: URL, size: number, isHeld: boolean): void {
    const key = proofKey(url, size)
    if (wasHeld.get(key)?.isHeld !== isHeld) version++
    const since = isHeld ? (wasHeld.get(key)?.since ?? clock.now()) : 0
    wasHeld.set(key, { isHeld, since })
    proofs.set(key, { isHeld, since }, isHeld ? heldForMs : missingForMs)
  }

  function report(place: Known, outcome: Outcome): void {
    const before = place.health.state
    place.health.report(outcome)
    if (place.health.state !== before) version++
  }

  const isAsked = (place: Known) => place.health.mayAsk() && place.closedUntil <= clock.now()

  async function ask(place: Known, url: URL, size: number): Promise<void> {
    const leave = await place.questions.enter(unending)
    try {
      if (isAsked(place)) await askNow(place, url, size)
    } finally {
      leave()
    }
  }

  async function askNow(place: Known, url: URL, size: number): Promise<void> {
    const patience = AbortSignal.timeout(proofTimeoutMs)
    try {
      const found = await sizeAt({ url, ...placeFor(place) }, patience)
      report(place, { kind: 'answer' })
      learn(url, size, found === size)
    } catch (error) {
      const late = () => new Fault('upstream-timeout', { url: redactUrl(url), phase: 'answer', ms: proofTimeoutMs })
      const fault = error === patience.reason ? late() : toFault(error, `asking ${place.url.host}`)
      // An upstream that wants a login answers nobody: it is not asked for each blob.
      if (isOrigin(place) && isFault(fault, 'upstream-refused')) place.closedUntil = clock.now() + closedForMs
      else report(place, { kind: 'fault', fault, wasQuestion: true })
      learn(url, size, false)
    }
  }

  function listable(reference: BlobReference): readonly (readonly [Known, URL])[] {
    return ranked(reference.upstream).flatMap((place) => {
      const url = urlOf(place, reference)
      return url && place.isListed ? [[place, url] as const] : []
    })
  }

  return {
    rank(reference, known) {
      const sources: Source[] = []
      for (const place of ranked(reference.upstream)) {
        const url = !isOrigin(place) && place.health.mayAsk() ? urlOf(place, reference) : undefined
        if (!url) continue
        const source: Source = {
          url,
          via: reference.upstream,
          priority: sources.length + 1,
          ...placeFor(place),
          ...countryOf(place),
        }
        placeOf.set(source, place)
        sources.push(source)
      }
      return [...sources, ...known]
    },
    proved: (reference, size) =>
      listable(reference).flatMap(([place, url]): Listed[] =>
        place.health.state !== 'down' && wasHeld.get(proofKey(url, size))?.isHeld
          ? [{ url, country: place.country, since: wasHeld.get(proofKey(url, size))!.since }]
          : [],
      ),
    async prove(reference, size) {
      const questions = listable(reference).map(([place, url]) => {
        const key = proofKey(url, size)
        if (!isAsked(place) || proofs.get(key)) return undefined
        const running = asking.get(key) ?? ask(place, url, size).finally(() => asking.delete(key))
        asking.set(key, running)
        return running
      })
      await Promise.all(questions)
    },
    report(source, outcome) {
      const place = placeOf.get(source)
      if (place) report(place, outcome)
    },
    has: (upstream) => placesOf(upstream).some((place) => !isOrigin(place)),
    get version() {
      return version
    },
    list() {
      const upstreams = [...new Set(all.map(({ upstream }) => upstream))]
      return upstreams.flatMap((upstream) =>
        ranked(upstream)
          .filter((place) => !isOrigin(place))
          .map(describe),
      )
    },
  }
}

function urlOf({ kind, url }: Place, reference: BlobReference): URL | undefined {
  return urlAt(kind, url, reference)
}

function anyBlobOf({ upstream }: Place): BlobReference {
  return { kind: 'blob', upstream, repository: parseRepository('a'), digest: parseDigest(`sha256:${'0'.repeat(64)}`) }
}

function placeFor({ kind }: Place): Pick<Source, 'place'> {
  return { place: kind === 'forebay' ? 'sibling' : 'mirror' }
}

function proofKey(url: URL, size: number): string {
  return `${size} ${url.href}`
}

function countryOf({ country }: Place): { country?: string } {
  return country === undefined ? {} : { country }
}

function describe({ upstream, kind, url, priority, country, health }: Place & { health: Health }, at: number): MirrorState {
  const { state, bytesPerSecond, lastError, downUntil } = health
  return { upstream, url: url.href, kind, priority, rank: at + 1, country, state, bytesPerSecond, lastError, downUntil }
}
