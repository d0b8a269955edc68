import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault, isFault } from '../../../src/model/fault.ts'
import type { Answers, Channel } from '../../../src/system/channel.ts'
import { fuzzing, fuzzPatience } from '../../kit/fuzz.ts'
import { createLine } from '../../kit/line.ts'

/** One end of a line, with what it is doing for the other one. */
interface End {
  readonly answers: Answers
  readonly heard: number[]
  readonly running: () => number
}

type Step =
  | readonly ['call', isNear: boolean, name: 'echo' | 'late' | 'wait' | 'fail' | 'odd' | 'nothing', value: unknown]
  | readonly ['cancel', nth: number]
  | readonly ['tell', isNear: boolean, name: 'hear' | 'fail' | 'nothing']
  | readonly ['close', isNear: boolean]
  | readonly ['turns', count: number]

const isNear = fc.boolean()
const value = fc.oneof(
  fc.anything({ withDate: false, withMap: false, withSet: false, maxDepth: 3 }).filter(isPlain),
  fc.webUrl().map((url) => new URL(url)),
  fc.uint8Array().map((bytes) => ({ bytes: [Buffer.from(bytes)] })),
)
const noData = { deep: [() => {}] }
const names = fc.constantFrom('echo', 'echo', 'late', 'wait', 'fail', 'odd', 'nothing')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('call'), isNear, names, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('call'), isNear, names, fc.constant(noData)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('cancel'), fc.nat(20)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('tell'), isNear, fc.constantFrom('hear', 'hear', 'fail', 'nothing')) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('turns'), fc.nat(3)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('close'), isNear) },
) as fc.Arbitrary<Step>

const unhandled: unknown[] = []
const note = (error: unknown) => void unhandled.push(error)
beforeAll(() => void process.on('unhandledRejection', note).on('uncaughtExceptionMonitor', note))
afterAll(() => {
  process.off('unhandledRejection', note).off('uncaughtExceptionMonitor', note)
  expect(unhandled).toEqual([])
})

test('whatever two ends say, in whatever order, every call settles, what is told comes in order, and nothing goes on after the end', {
  timeout: fuzzPatience(60_000),
}, async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), play), fuzzing(400) as fc.Parameters<[readonly Step[]]>)
})

async function play(steps: readonly Step[]): Promise<void> {
  const ends = { near: createEnd(), far: createEnd() }
  const { near, far } = createLine(ends.near.answers, ends.far.answers)
  const of = (isNear: boolean): Channel => (isNear ? near : far)
  const controls: AbortController[] = []
  const settling: Promise<void>[] = []
  const told = { near: 0, far: 0 }
  let isClosed = false

  for (const step of steps) {
    switch (step[0]) {
      case 'call': {
        const [, isNear, name, value] = step
        const control = new AbortController()
        controls.push(control)
        const isExcused = () => isClosed || control.signal.aborted || value === noData
        settling.push(expectAnswer(of(isNear).call(name, [value], control.signal), { name, value, isExcused }))
        break
      }
      case 'cancel':
        controls[step[1]]?.abort(new Fault('cancelled', { what: 'it' }))
        break
      case 'tell': {
        const [, isNear, name] = step
        of(isNear).tell(name, name === 'hear' ? told[isNear ? 'near' : 'far']++ : undefined)
        break
      }
      case 'close':
        isClosed = true
        of(step[1]).close('it ended')
        break
      case 'turns':
        await turns(step[1])
    }
  }
  await turns(10)
  isClosed = true
  near.close('over')
  far.close('over')
  await Promise.all(settling)
  await turns(3)
  expect([ends.near.running(), ends.far.running()]).toEqual([0, 0])
  for (const { heard } of Object.values(ends)) expect(heard).toEqual(heard.map((_, at) => at))
}

function createEnd(): End {
  const heard: number[] = []
  let running = 0
  const counted =
    (work: (args: readonly unknown[], signal: AbortSignal) => unknown) =>
    async (args: readonly unknown[], signal: AbortSignal): Promise<unknown> => {
      running++
      try {
        return await work(args, signal)
      } finally {
        running--
      }
    }
  return {
    heard,
    running: () => running,
    answers: {
      echo: counted(([one]) => one),
      late: counted(([one]) => turns(2).then(() => one)),
      wait: counted((_, signal) => untilAborted(signal)),
      fail: counted(() => Promise.reject(new Fault('not-found', { what: 'it' }))),
      odd: counted(() => ({ work: () => {} })),
      hear: ([one]) => void heard.push(one),
    },
  }
}

const codes = { echo: [], late: [], wait: [], fail: ['not-found'], odd: ['internal'], nothing: ['internal'] } as const

interface Expected {
  readonly name: keyof typeof codes
  readonly value: unknown
  /** May it have come to nothing, as its line is gone, nobody wanted it any more, or it is no data? */
  readonly isExcused: () => boolean
}

/** The value where there is one; else a fault that can be. */
async function expectAnswer(answer: Promise<unknown>, { name, value, isExcused }: Expected): Promise<void> {
  const result = await answer.catch((error) => error as unknown)
  if (isFault(result)) return expect(isExcused() ? [...codes[name], 'internal', 'cancelled'] : codes[name]).toContain(result.code)
  expect(['echo', 'late']).toContain(name)
  expect(result).toEqual(value)
}

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise<void>((go) => setImmediate(go))
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Is it data as messages carry it: nothing with a class of its own, nothing that is its own part? */
function isPlain(value: unknown): boolean {
  if (typeof value === 'symbol' || typeof value === 'function') return false
  if (typeof value !== 'object' || value === null) return true
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype !== Object.prototype && !Array.isArray(value)) return false
  return Object.values(value).every(isPlain)
}
