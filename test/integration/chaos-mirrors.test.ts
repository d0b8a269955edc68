import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ask, askHashed, askPatiently, open } from '../kit/ask.ts'
import { type BadAnswer, badAnswer } from '../kit/bad-habits.ts'
import { blob, digestOfBytes, KiB, MiB } from '../kit/blobs.ts'
import { describeBlob, described, documentLink } from '../kit/described-blob.ts'
import { createDice, type Dice } from '../kit/dice.ts'
import { blobsOn, spoolsOn, until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import type { FakeUpstream } from '../kit/fake-upstream.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createMirroredWorld, type MirroredWorld } from '../kit/mirrored-world.ts'

expectNoLeaks()

const layer = blob(10 * MiB + 4321, 'chaos')
const size = layer.bytes.length
const gets = { path: layer.digest, method: 'GET' } as const
const mirrors = 4
const readers = 200

// The same rounds each time; some other time, FOREBAY_CHAOS_SEEDS=100-199 for a hundred others.
const seeds = seedsOf(process.env.FOREBAY_CHAOS_SEEDS ?? '4,19')

interface Round {
  readonly seed: number
  /** What each place does, mirrors first, the upstream last: its first answers, and from then on. Undefined: all is well. */
  readonly habits: readonly (readonly BadAnswer[] | undefined)[]
  readonly dead: readonly number[]
  readonly readers: readonly Reader[]
}

interface Reader {
  readonly start: number
  readonly end: number
  readonly afterMs: number
  readonly leavesAt: number | undefined // bytes
}

interface Read extends Reader {
  readonly how: 'right' | 'wrong' | 'cut' | 'refused' | 'odd' | 'left'
  readonly status: number
}

type Kinds = Parameters<typeof badAnswer>[2]

describe.each(seeds)('chaos, seed %s', (seed) => {
  test('with hashes of pieces: every reader has the right bytes while one place is good', async () => {
    // The first to answer is the one whose document is read.
    const round = planRound(seed, 'pieces', ['refusals', 'pains', 'lies'], ['pains', 'lies'])
    await using world = await chaosWorld(round, { tells: true })
    const opening = held(world)
    const pilot = read(world, { start: 0, end: size, afterMs: 0, leavesAt: undefined })
    await piecesAtWork(world)
    opening()
    const reads = await Promise.all([pilot, ...round.readers.map((reader) => read(world, reader))])
    expectAll(reads, ['right', 'left'], round)
    await expectNothingLeft(world, round)
  })

  test('without them, no place lying: every reader has the right bytes while one place is good', async () => {
    const round = planRound(seed, 'honest', ['refusals', 'pains'])
    await using world = await chaosWorld(round)
    const reads = await Promise.all(round.readers.map((reader) => read(world, reader)))
    expectAll(reads, ['right', 'left'], round)
    await expectNothingLeft(world, round)
  })

  test('with hashes that come late or never, places lying: nobody is told that wrong bytes are all there is', async () => {
    const round = planRound(seed, 'lies', ['lies', 'lies', 'refusals', 'pains'], ['lies'])
    await using world = await chaosWorld(round, { tells: seed % 2 === 0 })
    const reads = await Promise.all(round.readers.map((reader) => read(world, reader)))
    const toTheEnd = reads.filter(({ end }) => end === size)
    expectAll(toTheEnd, ['right', 'left', 'cut', 'refused'], round)
    // What ends earlier is not held back until the whole is known to be right.
    expectAll(reads, ['right', 'left', 'cut', 'refused', 'wrong'], round)
    await expectNothingLeft(world, round, mirrors + 2)
  })
})

/** Some places bad in up to three ways, one dead perhaps, at least one good. `first` is what the first place may do. */
function planRound(seed: number, name: string, among: Kinds, first: Kinds = among): Round {
  const dice = createDice(`${name} ${seed}`)
  const [good, maybe, ...bad] = dice.shuffled(Array.from({ length: mirrors + 1 }, (_, at) => at))
  const isGood = (at: number) => at === good || (at === maybe && dice.chance(0.4))
  const habits = Array.from({ length: mirrors + 1 }, (_, at) =>
    isGood(at) ? undefined : Array.from({ length: 1 + dice.below(3) }, () => badAnswer(dice, size, at === 0 ? first : among)),
  )
  const dead = bad.filter((at) => at !== 0 && habits[at] && dice.chance(0.15)).slice(0, 1)
  return { seed, habits, dead, readers: Array.from({ length: readers }, (_, at) => planReader(dice, at)) }
}

/** One in seven reads all, one in ten a part that goes to the end, some leave, some come late. */
function planReader(dice: Dice, at: number): Reader {
  const start = at % 7 === 0 ? 0 : dice.below(size)
  const end = at % 7 === 0 || at % 10 === 0 ? size : Math.min(size, start + 1 + dice.below(512 * KiB))
  const leavesAt = dice.chance(0.12) ? dice.below(end - start) : undefined
  return { start, end, afterMs: dice.below(dice.chance(0.2) ? 1500 : 300), leavesAt }
}

async function chaosWorld({ habits, dead }: Round, { tells = false } = {}): Promise<MirroredWorld> {
  const world = await createMirroredWorld(
    Array.from({ length: mirrors }, () => ({})),
    { house: { outbound: { headersTimeout: '1s', idleTimeout: '1s' } } },
  )
  const document = describeBlob(
    layer,
    world.mirrors.map((_, at) => world.at(at, layer.digest)),
  )
  for (const [at, place] of placesOf(world).entries()) {
    place.pushBlob('lab/tool', layer)
    const headers = tells ? { link: documentLink(place.url + described) } : {}
    const type = { 'content-type': 'application/metalink4+xml' }
    if (tells) place.fault({ path: described }, { status: 200, headers: type, body: document })
    const answers = habits[at]?.map(({ fault }) => ({ ...fault, headers: { ...headers, ...fault.headers } })) ?? [{ headers }]
    place.fault(gets, answers.at(-1)!)
    for (const [nth, answer] of answers.slice(0, -1).entries()) place.fault({ ...gets, nth: nth + 1 }, answer)
  }
  // Its size is known, as it is where a manifest names it.
  expect((await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })).status).toBe(200)
  for (const at of dead) await placesOf(world)[at]!.refuse()
  return world
}

function placesOf({ mirrors, upstream }: MirroredWorld): readonly FakeUpstream[] {
  return [...mirrors, upstream]
}

/** Holds all bodies back, until what is returned is called. */
function held(world: MirroredWorld): () => void {
  const gates = placesOf(world).map((place) => place.hold(gets))
  for (const gate of gates) gate.headers()
  return () => gates.forEach((gate) => void gate.open())
}

/** Without hashes one place is asked: that a second is shows that they are known. */
async function piecesAtWork(world: MirroredWorld): Promise<void> {
  const [first, ...others] = placesOf(world)
  await first!.seen(gets)
  await Promise.race(others.map((place) => place.seen(gets)))
}

async function read(world: MirroredWorld, reader: Reader): Promise<Read> {
  const { start, end, afterMs, leavesAt } = reader
  const isWhole = start === 0 && end === size
  const url = world.blob('lab/tool', layer.digest)
  const options = isWhole ? {} : { headers: { range: `bytes=${start}-${end - 1}` } }
  await sleep(afterMs)
  if (leavesAt !== undefined) {
    const reply = await open(url, options)
    await reply.atLeast(leavesAt)
    reply.leave()
    return { ...reader, how: 'left', status: reply.status }
  }
  const { status, end: ending, sha256 } = await askHashed(url, options)
  if (status !== (isWhole ? 200 : 206))
    return { ...reader, how: ending === 'clean' && status >= 500 ? 'refused' : 'wrong', status }
  if (ending === 'cut') return { ...reader, how: 'cut', status }
  return { ...reader, how: sha256 === digestOfBytes(layer.bytes.subarray(start, end)) ? 'right' : 'wrong', status }
}

function expectAll(reads: readonly Read[], fine: readonly Read['how'][], round: Round): void {
  const others = reads.filter(({ how }) => !fine.includes(how))
  expect(others, print(round)).toEqual([])
}

/**
 * No fill goes on, nobody is asked any more, nothing wrong is on disk, what is left there is of use to the next; and the
 * places were asked less often than readers came, and for no more copies than said.
 */
async function expectNothingLeft(world: MirroredWorld, round: Round, copies = 4): Promise<void> {
  const { house } = world
  const places = placesOf(world)
  await until(async () => (await house.metric('transfer_fills_running')) === 0, `the fills end\n${print(round)}`)
  const open = () => places.flatMap(({ requests }) => requests.filter(({ isOver }) => !isOver))
  await until(() => open().length === 0, `nobody is asked any more\n${print(round)}`)
  expect(await wrongBlobsOn(house.storePath), print(round)).toEqual([])
  const isHeld = (await blobsOn(house.storePath)).includes(layer.digest)
  expect((await spoolsOn(house.storePath)).length, print(round)).toBeLessThanOrEqual(isHeld ? 0 : 1)

  expect(
    places.reduce((sum, place) => sum + place.count(gets), 0),
    print(round),
  ).toBeLessThan(readers)
  expect(
    places.reduce((sum, place) => sum + place.bytesSent(layer.digest), 0),
    print(round),
  ).toBeLessThan(copies * size)

  for (const place of places) {
    place.heal()
    await place.reopen()
  }
  const again = await askPatiently(world.blob('lab/tool', layer.digest))
  expect([again.status, again.end, again.sha256], print(round)).toEqual([200, 'clean', layer.digest])
  await untilHeld(house.storePath, layer.digest)
  expect(await wrongBlobsOn(house.storePath), print(round)).toEqual([])
  await until(async () => (await spoolsOn(house.storePath)).length === 0, `no spool is left\n${print(round)}`)
}

function print({ seed, habits, dead }: Round): string {
  const lines = habits.map((habit, at) => {
    const name = at === mirrors ? 'upstream' : `mirror ${at}`
    return `${name}: ${dead.includes(at) ? 'dead' : (habit?.map((one) => `${one.name} ${JSON.stringify(one.fault)}`).join(', then ') ?? 'good')}`
  })
  return [`again with FOREBAY_CHAOS_SEEDS=${seed}:`, ...lines].join('\n')
}

/** `1,2,10-19` */
function seedsOf(text: string): readonly number[] {
  return text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })
}
