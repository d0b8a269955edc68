import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { believed, clip, type JournalState, parseJournal, printHeader, printState } from '../../../src/store/journal.ts'
import { workTime } from '../../kit/work-time.ts'

const ranges = fc
  .uniqueArray(fc.nat(1_000_000), { maxLength: 20 })
  .map((cuts) =>
    cuts.sort((a, b) => a - b).flatMap((start, at) => (at % 2 || at + 1 >= cuts.length ? [] : [{ start, end: cuts[at + 1]! }])),
  )
const state: fc.Arbitrary<JournalState> = fc.record({
  held: ranges,
  durable: ranges,
  note: fc.record({ size: fc.nat(), validator: fc.string() }, { requiredKeys: [] }),
})
const print = (key: string, boot: string, states: readonly JournalState[]) =>
  printHeader(key, boot) + states.map(printState).join('')

describe('a journal', () => {
  test('says what was written last', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(state, { minLength: 1, maxLength: 4 }), (key, states) => {
        expect(parseJournal(print(key, 'boot', states))).toEqual({ key, bootId: 'boot', state: states.at(-1) })
      }),
    )
  })

  test('torn anywhere falls back to a state that was written whole, or to nothing', () => {
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 3 }), fc.nat(), (states, cut) => {
        const whole = print('key', 'boot', states)
        const text = whole.slice(0, cut % whole.length)
        const read = parseJournal(text)
        if (read === undefined) return !text.includes('\n')
        expect([{ held: [], durable: [], note: {} }, ...states]).toContainEqual(read.state)
        return true
      }),
    )
  })

  test.each(['', '\n', '{}', '[]', 'null', '{"spool":2,"key":"a","boot":"b"}', '{"spool":1,"key":7,"boot":"b"}', '\0\0\0'])(
    '%j is none',
    (text) => expect(parseJournal(text)).toBeUndefined(),
  )

  const good = '{"held":[[0,5]],"durable":[]}'
  test.each([
    '{"held":[[5,5]],"durable":[]}',
    '{"held":[[5,4]],"durable":[]}',
    '{"held":[[-1,4]],"durable":[]}',
    '{"held":[[0,1e99]],"durable":[]}',
    '{"held":[[0,1.5]],"durable":[]}',
    '{"held":[[0]],"durable":[]}',
    '{"held":[[0,1]]}',
    '{"held":{"length":0},"durable":[]}',
    '{"held":[],"durable":[],"size":-1}',
    '{"held":[],"durable":[],"validator":5}',
    'x',
  ])('the state %s is passed over', (line) => {
    expect(parseJournal(`${printHeader('k', 'b')}${good}\n${line}\n`)?.state.held).toEqual([{ start: 0, end: 5 }])
  })

  test('a megabyte of empty lines takes no time to speak of', () => {
    const text = `${printHeader('k', 'b')}${good}\n${'\n'.repeat(2 ** 20)}`
    expect(workTime(() => expect(parseJournal(text)?.state.held).toEqual([{ start: 0, end: 5 }]))).toBeLessThan(2_000)
  })

  test('of very many ranges the longest are kept', () => {
    const many = Array.from({ length: 1000 }, (_, at) => ({ start: at * 2000, end: at * 2000 + 1 + at }))
    const read = parseJournal(print('k', 'b', [{ held: many, durable: [], note: {} }]))!
    expect(read.state.held).toHaveLength(256)
    expect(Math.min(...read.state.held.map(({ start, end }) => end - start))).toBe(745)
  })
})

describe('what is believed', () => {
  const journal = {
    key: 'k',
    bootId: 'now',
    state: { held: [{ start: 0, end: 90 }], durable: [{ start: 10, end: 50 }], note: {} },
  }
  test('is all while the machine ran on, what was synced after a restart, and never more than there is', () => {
    expect(believed(journal, { bootId: 'now', size: 100 })).toEqual([{ start: 0, end: 90 }])
    expect(believed(journal, { bootId: 'later', size: 100 })).toEqual([{ start: 10, end: 50 }])
    expect(believed(journal, { bootId: 'now', size: 30 })).toEqual([{ start: 0, end: 30 }])
    expect(believed(journal, { bootId: 'later', size: 10 })).toEqual([])
  })
  test('ranges are cut where the file ends', () => {
    const held = [
      { start: 0, end: 5 },
      { start: 7, end: 9 },
    ]
    expect(clip(held, 8)).toEqual([
      { start: 0, end: 5 },
      { start: 7, end: 8 },
    ])
    expect(clip(held, 0)).toEqual([])
  })
})
