import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { Artifact, Source } from '../../../src/model/artifact.ts'
import { type Digest, digestOf } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Clock } from '../../../src/system/clock.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { type FillDeps, startFill } from '../../../src/transfer/fill.ts'
import { createPassing, type Passing } from '../../../src/transfer/passing.ts'
import { type Fill, fillKey, type Prefix } from '../../../src/transfer/transfer.ts'
import { MiB, seededBytes } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { blobNamed } from '../../kit/questions.ts'
import { collect, digestOfBytes, inPieces, memoryHouse, scriptedSources, silent } from './memory-house.ts'

expectNoLeaks()

const large = seededBytes(9 * MiB, 'passing')
const small = seededBytes(300_000, 'passing small')
const calm = new AbortController().signal
const openPassings: Passing[] = []

afterEach(async () => {
  for (const passing of openPassings.splice(0)) await passing.close(AbortSignal.abort())
})

interface Bench {
  readonly passing: Passing
  readonly wrong: string[]
  passed: number
}

function bench(read: ReturnType<typeof scriptedSources>['read'], more: { clock?: Clock; mayPass?: boolean } = {}): Bench {
  const wrong: string[] = []
  const its: Bench = {
    wrong,
    passed: 0,
    passing: createPassing({
      supply: () => ({
        read,
        wrong: (source) => void wrong.push(source.url.hostname),
        mayPass: () => more.mayPass ?? true,
        discover: async () => ({ pieces: undefined, sources: [] }),
        lingerMs: 0,
      }),
      clock: more.clock ?? systemClock,
      log: silent,
      received: () => {},
      passed: () => its.passed++,
    }),
  }
  openPassings.push(its.passing)
  return its
}

function artifactOf(bytes: Uint8Array, digest: Digest | undefined = digestOfBytes(bytes), size?: number): Artifact {
  const reference = blobNamed(digestOfBytes(bytes))
  return { reference, mediaType: 'a/b', size, digests: digest ? [digest] : [], checkedAt: 0, freshUntil: 0 }
}

const full = () => new Fault('disk-full', { path: '/store' })

/** A fill whose disk takes no more: before anything was shown, or after these bytes were. */
function failing(artifact: Artifact, shown?: { bytes: Uint8Array; size: number; given?: Prefix }): Fill {
  const stored = Promise.reject(full())
  stored.catch(() => {})
  const opened = shown ? Promise.resolve({ size: shown.size }) : stored
  return {
    artifact,
    opened,
    stored,
    given: shown?.given,
    follow: () => ({
      size: shown?.size ?? artifact.size,
      async read(into, position) {
        const part = shown?.bytes.subarray(position, position + into.length) ?? new Uint8Array()
        if (part.length === 0) throw full()
        into.set(part)
        return part.length
      },
      async [Symbol.asyncDispose]() {},
    }),
  }
}

function pass({ passing }: Bench, artifact: Artifact, sources: readonly Source[], fill: Fill = failing(artifact)) {
  const { opened, bytes } = (() => {
    const outlasting = passing.outlasting(fill, artifact, sources)
    const bytes = outlasting.follow()
    return { opened: outlasting.opened, bytes }
  })()
  opened.catch(() => {})
  return { opened, bytes }
}

async function passAll(its: Bench, artifact: Artifact, sources: readonly Source[], fill?: Fill): Promise<Buffer> {
  const { opened, bytes } = pass(its, artifact, sources, fill)
  try {
    await opened
    return await collect(bytes)
  } finally {
    await bytes[Symbol.asyncDispose]()
  }
}

function prefixOf(bytes: Uint8Array): Prefix {
  return { end: bytes.length, digest: digestOfBytes(bytes) }
}

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ 1
  return copy
}

describe('what the disk does not take', () => {
  test.each([
    { kind: 'a blob', bytes: large, digest: digestOfBytes(large) },
    { kind: 'a small one', bytes: small, digest: digestOfBytes(small) },
    { kind: 'an empty one', bytes: new Uint8Array(), digest: digestOfBytes(new Uint8Array()) },
    { kind: 'one known by md5', bytes: large, digest: digestOf('md5', createHash('md5').update(large).digest('hex')) },
    { kind: 'one of which no hash is known', bytes: large, digest: undefined },
  ])('$kind passes, whole', async ({ bytes, digest }) => {
    for (const hidesSize of [false, true]) {
      const { read, sources, asked } = scriptedSources(bytes, { a: (all) => inPieces(all) }, { hidesSize })
      const artifact = { ...artifactOf(bytes), digests: digest ? [digest] : [] }
      expect((await passAll(bench(read), artifact, sources)).equals(bytes)).toBe(true)
      expect(asked).toHaveLength(1)
    }
  })

  test('is not passed where it may not be', async () => {
    const { read, sources, asked } = scriptedSources(large, { a: (all) => inPieces(all) })
    expect(await faultOf(passAll(bench(read, { mayPass: false }), artifactOf(large), sources))).toBe('disk-full')
    const shown = { bytes: large.subarray(0, MiB), size: large.length, given: prefixOf(large.subarray(0, MiB)) }
    const artifact = artifactOf(large)
    expect(await faultOf(passAll(bench(read, { mayPass: false }), artifact, sources, failing(artifact, shown)))).toBe('disk-full')
    expect(asked).toEqual([])
  })

  test('is not asked for where nobody wants more than to have it stored', async () => {
    const { read, sources, asked } = scriptedSources(large, { a: (all) => inPieces(all) })
    const its = bench(read)
    const fill = its.passing.outlasting(failing(artifactOf(large)), artifactOf(large), sources)
    await using _ = fill.follow()
    expect(await faultOf(fill.stored)).toBe('disk-full')
    await new Promise((go) => setImmediate(go))
    expect([its.passed, asked]).toEqual([0, []])
  })
})

describe('bytes that were given before', () => {
  const given = large.subarray(0, 2 * MiB)
  const { read, sources } = scriptedSources(large, { a: (all) => inPieces(all) })

  function goingOn(bytes: Uint8Array, prefix: Prefix | undefined, size = large.length) {
    const artifact = artifactOf(large)
    return passAll(bench(read), artifact, sources, failing(artifact, { bytes, size, ...(prefix && { given: prefix }) }))
  }

  test('go well with what follows', async () => {
    expect((await goingOn(given, prefixOf(given))).equals(large)).toBe(true)
  })

  test('of which more were held than given', async () => {
    expect((await goingOn(given, prefixOf(large.subarray(0, 8 * MiB)))).equals(large)).toBe(true)
  })

  test('and were wrong have no clean end', async () => {
    const wrong = flipped(given, 100)
    expect(await faultOf(goingOn(wrong, prefixOf(wrong)))).toBe('corrupt')
  })

  test('and that nobody can vouch for any more have none either', async () => {
    expect(await faultOf(goingOn(given, undefined))).toBe('disk-full')
    expect(await faultOf(goingOn(given, prefixOf(given.subarray(0, MiB))))).toBe('disk-full')
  })

  test('of something that was said to be shorter or longer have none', async () => {
    expect(await faultOf(goingOn(given, prefixOf(given), 8 * MiB))).toBe('source-changed')
    expect(await faultOf(goingOn(given, prefixOf(given), 10 * MiB))).toBe('source-changed')
  })

  test('to a range that ends within them are not mixed with others', async () => {
    const artifact = artifactOf(large)
    const fill = failing(artifact, { bytes: given.subarray(0, MiB), size: large.length, given: prefixOf(given) })
    const { bytes } = pass(bench(read), artifact, sources, fill)
    expect(await faultOf(collect(bytes, 0, 1.5 * MiB))).toBe('disk-full')
    await bytes[Symbol.asyncDispose]()
  })
})

describe('a fill whose disk runs full in the middle', () => {
  async function pull(behave: (all: Uint8Array, count: number) => Uint8Array): Promise<Buffer> {
    const script = scriptedSources(large, { a: (all, { start }, count) => inPieces(start > 0 ? all : behave(all, count)) })
    const artifact = artifactOf(large)
    const deps: FillDeps = {
      ...memoryHouse(large.length, 4 * MiB),
      read: script.read,
      clock: systemClock,
      log: silent,
      lingerMs: 1_000,
      received: () => {},
      wrong: () => {},
      enter: async () => () => {},
      ending: () => {},
      discover: async () => ({ pieces: undefined, sources: [] }),
    }
    return passAll(bench(script.read), artifact, script.sources, startFill(deps, fillKey(artifact), artifact, script.sources))
  }

  test('goes on to the end', async () => {
    expect((await pull((all) => all)).equals(large)).toBe(true)
  })

  test('has no clean end where what came before it was wrong', async () => {
    expect(await faultOf(pull((all, count) => (count === 0 ? flipped(all, MiB) : all)))).toBe('corrupt')
  })
})

describe('several who read what passes', () => {
  test('one who comes as the last of them leaves gets all of it', async () => {
    // By how many steps of promises the other comes later than this one leaves.
    for (let later = -15; later <= 15; later++) {
      const { read, sources } = scriptedSources(large, { a: (all) => inPieces(all, { pieceBytes: MiB }) })
      const its = bench(read)
      const first = pass(its, artifactOf(large), sources)
      await first.opened
      await first.bytes.read(Buffer.alloc(1000), 0, calm)
      const steps = async (count: number) => {
        for (let step = 0; step < count; step++) await Promise.resolve()
      }
      const leaving = steps(-later).then(() => first.bytes[Symbol.asyncDispose]())
      const second = steps(later).then(() => passAll(its, artifactOf(large), sources))
      expect((await second).equals(large), `${later} steps later`).toBe(true)
      await leaving
    }
  })

  test('one who leaves before there is an answer takes nothing along', async () => {
    const gate = Promise.withResolvers<void>()
    const held = { a: (all: Uint8Array) => inPieces(all, { gate: gate.promise }) }
    const { read, sources, asked } = scriptedSources(large, held, { hidesSize: true })
    const its = bench(read)
    const first = pass(its, artifactOf(large), sources)
    await until(() => asked.length === 1, 'the source being asked')
    const second = passAll(its, artifactOf(large), sources)
    await first.bytes[Symbol.asyncDispose]()
    gate.resolve()
    expect((await second).equals(large)).toBe(true)
    expect(await faultOf(first.opened)).toBe('cancelled')
    expect(asked).toHaveLength(1)
  })

  test('those who waited for a place share it', async () => {
    const others = Array.from({ length: 4 }, (_, at) => seededBytes(9 * MiB, `other ${at}`))
    const scripts = others.map((bytes) => scriptedSources(bytes, { a: (all) => inPieces(all) }))
    const fifth = scriptedSources(large, { b: (all) => inPieces(all) })
    const its = bench((source, want, signal) => {
      const script = source.url.hostname === 'b' ? fifth : scripts[Number(source.url.pathname.slice(1))]!
      return script.read(source, want, signal)
    })
    const slow = others.map((bytes, at) =>
      pass(its, artifactOf(bytes), [{ ...scripts[at]!.sources[0]!, url: new URL(`http://a/${at}`) }]),
    )
    for (const { opened } of slow) await opened
    const crowd = Array.from({ length: 5 }, () => passAll(its, artifactOf(large), fifth.sources))
    await new Promise((go) => setImmediate(go))
    expect(fifth.asked).toEqual([])
    await slow[0]!.bytes[Symbol.asyncDispose]()
    for (const bytes of await Promise.all(crowd)) expect(bytes.equals(large)).toBe(true)
    expect(fifth.asked).toHaveLength(1)
    for (const { bytes } of slow) await bytes[Symbol.asyncDispose]()
  })

  test('one who stands still is left behind, and gets the rest of the same bytes', async () => {
    const clock = createHandClock()
    const { read, sources, asked } = scriptedSources(large, { a: (all) => inPieces(all) })
    const its = bench(read, { clock })
    const slow = pass(its, artifactOf(large), sources)
    await slow.opened
    const begun = Buffer.alloc(MiB)
    const count = await slow.bytes.read(begun, 0, calm)
    const quick = passAll(its, artifactOf(large), sources)
    await untilSettled(quick, () => clock.advance(500))
    expect((await quick).equals(large)).toBe(true)
    const rest = await collect(slow.bytes, count)
    expect(Buffer.concat([begun.subarray(0, count), rest]).equals(large)).toBe(true)
    expect(asked).toHaveLength(2)
    await slow.bytes[Symbol.asyncDispose]()
  })

  test('one who was left behind with wrong bytes has no clean end', async () => {
    const clock = createHandClock()
    const wrong = flipped(large, 100)
    const { read, sources } = scriptedSources(large, {
      a: (all, _, count) => inPieces(count === 0 ? wrong : all),
    })
    const its = bench(read, { clock })
    const slow = pass(its, artifactOf(large), sources)
    await slow.opened
    const count = await slow.bytes.read(Buffer.alloc(MiB), 0, calm)
    const quick = passAll(its, artifactOf(large), sources)
    quick.catch(() => {})
    await untilSettled(quick, () => clock.advance(500))
    expect(await faultOf(quick)).toBe('corrupt')
    expect(await faultOf(slow.bytes.read(Buffer.alloc(1000), count, calm))).toBe('corrupt')
    await slow.bytes[Symbol.asyncDispose]()
  })

  test('who reads nothing for long keeps no place from those who wait for one', async () => {
    const clock = createHandClock()
    const others = Array.from({ length: 4 }, (_, at) => seededBytes(9 * MiB, `still ${at}`))
    const stalled = await Promise.all(
      others.map(async (bytes) => {
        const script = scriptedSources(bytes, { a: (all) => inPieces(all) })
        return { bytes, script }
      }),
    )
    const fifth = scriptedSources(large, { b: (all) => inPieces(all) })
    const its = bench(
      (source, want, signal) =>
        (source.url.hostname === 'b' ? fifth : stalled[Number(source.url.pathname.slice(1))]!.script).read(source, want, signal),
      { clock },
    )
    const slow = stalled.map(({ bytes, script }, at) =>
      pass(its, artifactOf(bytes), [{ ...script.sources[0]!, url: new URL(`http://a/${at}`) }]),
    )
    for (const { opened } of slow) await opened
    const waiting = passAll(its, artifactOf(large), fifth.sources)
    await untilSettled(waiting, () => clock.advance(5_000))
    expect((await waiting).equals(large)).toBe(true)
    const rest = collect(slow[0]!.bytes)
    await untilSettled(rest, () => clock.advance(5_000))
    expect((await rest).equals(others[0]!)).toBe(true)
    for (const { bytes } of slow) await bytes[Symbol.asyncDispose]()
  })
})

describe('a source that sends wrong bytes', () => {
  test('of a small blob is left for the next, and told of', async () => {
    const { read, sources } = scriptedSources(small, { liar: (all) => inPieces(flipped(all, 7)), good: (all) => inPieces(all) })
    const its = bench(read)
    expect((await passAll(its, artifactOf(small), sources)).equals(small)).toBe(true)
    expect(its.wrong).toEqual(['liar'])
  })

  test('of a larger one has no clean end, and is told of', async () => {
    const { read, sources } = scriptedSources(large, { liar: (all) => inPieces(flipped(all, 7)) })
    const its = bench(read)
    expect(await faultOf(passAll(its, artifactOf(large), sources))).toBe('corrupt')
    expect(its.wrong).toEqual(['liar'])
  })
})

describe('closing', () => {
  test('ends what nobody reads on', async () => {
    const { read, sources } = scriptedSources(large, { a: (all) => inPieces(all) })
    const its = bench(read)
    const still = pass(its, artifactOf(large), sources)
    await still.opened
    await its.passing.close(AbortSignal.abort())
    expect(await faultOf(collect(still.bytes))).toBe('overloaded')
    await still.bytes[Symbol.asyncDispose]()
  })
})

/** Moves time on until it is over. */
async function untilSettled(work: Promise<unknown>, step: () => Promise<void>): Promise<void> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  for (let steps = 0; !isOver && steps < 2_000; steps++) await step()
}
