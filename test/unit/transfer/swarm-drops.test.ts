import { describe, expect, test } from 'vitest'
import { createIntervals } from '../../../src/model/intervals.ts'
import type { ByteRange } from '../../../src/model/range.ts'
import type { Segment } from '../../../src/transfer/segment.ts'
import { createSources } from '../../../src/transfer/sources.ts'
import { createSwarm } from '../../../src/transfer/swarm.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { sourceAt } from './memory-house.ts'

const MiB = 1024 * 1024

interface Run extends ByteRange {
  readonly host: string
  isStopped: boolean
  /** The request went out. */
  ask(): void
  /** So many bytes came. */
  come(bytes: number): void
}

/**
 * A swarm whose sources send when the test says so. `waiting`: hosts where a request waits for its turn; `heldBack`: where
 * the bytes do; `avoided`: the one that sent every piece wrong.
 */
function setUp(
  hosts: readonly string[],
  { size = 64 * MiB, waiting = [] as string[], avoided = '', heldBack = new Set<string>() } = {},
) {
  const hand = createHandClock()
  let stoodMs = 0
  const clock = { ...hand, now: () => hand.now() + stoodMs }
  const held = createIntervals()
  const sources = createSources(
    'blob',
    hosts.map((host, at) => sourceAt(host, at + 1)),
  )
  const segments = new Set<Segment>()
  const runs: Run[] = []
  let isStuck = false

  const swarm = createSwarm({
    held,
    claims: () => [...segments],
    sources,
    pieceLength: MiB,
    size,
    isOver: () => held.total === size || isStuck,
    isAvoided: (source) => source.url.host === avoided,
    stuck: () => {
      isStuck = true
    },
    troubled: () => {},
    isHeldBack: (source) => heldBack.has(source.url.host),
    clock,
    signal: new AbortController().signal,
    begin(range, source) {
      const finished = Promise.withResolvers<void>()
      let front = range.start
      let askedAt = waiting.includes(source.url.host) ? undefined : clock.now()
      const segment: Segment = {
        ...range,
        isAdopted: true,
        get front() {
          return front
        },
        get askedAt() {
          return askedAt
        },
        finished: finished.promise,
        stop() {
          run.isStopped = true
          end()
        },
      }
      const end = () => {
        segments.delete(segment)
        finished.resolve()
      }
      const run: Run = {
        host: source.url.host,
        get start() {
          return segment.start
        },
        get end() {
          return segment.end
        },
        isStopped: false,
        ask() {
          askedAt = clock.now()
        },
        come(bytes) {
          const next = Math.min(segment.end, front + bytes)
          held.add(front, next)
          sources.worked(source)
          front = next
          if (front === segment.end) end()
        },
      }
      segments.add(segment)
      runs.push(run)
      return segment
    },
  })
  const ended = swarm.run()
  const of = (host: string) => runs.filter((run) => run.host === host)
  const last = (host: string) => of(host).at(-1)!

  /** Time goes on while these hosts send. */
  async function pass(ms: number, sending: readonly string[] = []) {
    for (let left = ms; left > 0; left -= 250) {
      for (const host of sending) last(host).come(MiB / 4)
      await clock.advance(250)
    }
  }

  /** This process does nothing for a while, and its timers come late. */
  async function stand(ms: number) {
    stoodMs += ms
    await clock.advance(250)
  }

  return { clock, of, last, pass, stand, ended, isStuck: () => isStuck }
}

describe('a source of a swarm', () => {
  test('is not taken to stall while its request waits behind others of ours', async () => {
    const { last, pass } = setUp(['a', 'b'], { waiting: ['b'] })
    await pass(30_000, ['a'])
    expect(last('b').isStopped).toBe(false)
    last('b').ask()
    await pass(1_500, ['a'])
    expect(last('b').isStopped).toBe(false)
    await pass(1_000, ['a'])
    expect(last('b').isStopped).toBe(true)
  })

  test('is not taken to stall while its bytes wait for their turn at the uplink', async () => {
    const heldBack = new Set(['b'])
    const { last, pass } = setUp(['a', 'b'], { heldBack })
    await pass(30_000, ['a'])
    expect(last('b').isStopped).toBe(false)
    heldBack.clear()
    await pass(2_500, ['a'])
    expect(last('b').isStopped).toBe(true)
  })

  test.each([300, 1_000, 3_600_000])('is not taken to stall while we stand still ourselves, for %i ms', async (ms) => {
    const { of, last, pass, stand } = setUp(['a', 'b'])
    await pass(500, ['a', 'b'])
    for (let time = 0; time < 5; time++) await stand(ms)
    expect([of('a'), of('b')].flat().map(({ isStopped }) => isStopped)).toEqual([false, false])
    await pass(2_500, ['a'])
    expect(last('b').isStopped).toBe(true)
  })

  test('that stalls gets a rest, and then another chance', async () => {
    const { of, last, pass } = setUp(['a', 'b'])
    await pass(2_500, ['a'])
    expect(last('b').isStopped).toBe(true)
    await pass(3_000, ['a'])
    expect(of('b')).toHaveLength(1)
    await pass(1_500, ['a'])
    expect(of('b')).toHaveLength(2)
  })

  test('rests longer each time, but not once it sends again', async () => {
    const { of, last, pass } = setUp(['a', 'b'], { size: 256 * MiB })
    await pass(2_500 + 4_250, ['a'])
    expect(of('b')).toHaveLength(2)
    await pass(2_500, ['a'])
    expect(last('b').isStopped).toBe(true)
    await pass(6_000, ['a'])
    expect(of('b')).toHaveLength(2)
    await pass(3_000, ['a'])
    expect(of('b')).toHaveLength(3)
    last('b').come(64 * MiB)
    await pass(250, ['a'])
    expect(of('b')).toHaveLength(4)
    await pass(2_500, ['a'])
    expect(last('b').isStopped).toBe(true)
    await pass(4_500, ['a'])
    expect(of('b')).toHaveLength(5)
  })

  test('that stalls in the middle is waited for less when somebody has nothing else to do', async () => {
    const { last, pass } = setUp(['a', 'b'], { size: 8 * MiB })
    await pass(250, ['a', 'b'])
    last('a').come(8 * MiB)
    last('b').come(2.5 * MiB)
    await pass(1_000)
    expect(last('b').isStopped).toBe(true)
    await pass(250)
    expect(last('a').end).toBe(8 * MiB)
  })

  test('has no rest while the others may not send what is missing', async () => {
    const { of, pass, isStuck } = setUp(['a', 'b'], { size: 8 * MiB, avoided: 'a' })
    expect(of('a')).toHaveLength(0)
    await pass(2_500)
    expect(of('b').map((run) => run.isStopped)).toEqual([true, false])
    expect(isStuck()).toBe(false)
  })
})
