import { beforeEach, describe, expect, test } from 'vitest'
import type { Leftover } from '../../../src/store/blob-store.ts'
import { createLeftBytes, type LeftBytes } from '../../../src/store/leftovers.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

describe('what unfinished fills left', () => {
  let onDisk: Leftover[]
  let discarded: number
  let held: Set<string>
  let left: LeftBytes
  let looking: (() => void) | undefined

  beforeEach(() => {
    onDisk = []
    discarded = 0
    held = new Set()
    looking = undefined
    left = createLeftBytes({
      spools: {
        async *leftovers() {
          for (const one of onDisk) {
            looking?.()
            yield one
          }
        },
        async discard() {
          discarded++
          return true
        },
      },
      isHeld: (key) => held.has(key),
      log: createRecordedLog(),
    })
  })

  test('is not counted while somebody goes on with it, also where the one before them has not quite gone', () => {
    const first = left.taken('a')
    const second = left.taken('a')
    first(100)
    expect(left.bytes).toBe(0)
    second(40)
    second(40)
    expect(left.bytes).toBe(40)
    left.taken('a')(0)
    expect(left.bytes).toBe(0)
  })

  test('by earlier runs is found, and what is gone is noticed', async () => {
    onDisk = [
      { key: 'a', bytes: 100, changedAt: 2 },
      { key: 'b', bytes: 30, changedAt: 1 },
    ]
    await left.look()
    expect(left.bytes).toBe(130)
    onDisk.pop()
    await left.look()
    expect(left.bytes).toBe(100)
  })

  test('is better known here than by a look that began before it changed', async () => {
    onDisk = [
      { key: 'taken', bytes: 100, changedAt: 1 },
      { key: 'over', bytes: 100, changedAt: 2 },
    ]
    held = new Set(['over'])
    const over = left.taken('over')
    looking = () => {
      left.taken('taken')
      over(7)
    }
    await left.look()
    expect([left.bytes, discarded]).toEqual([7, 0])
  })

  test('goes oldest first, and only as much of it as is asked for', async () => {
    onDisk = [
      { key: 'newer', bytes: 100, changedAt: 2 },
      { key: 'older', bytes: 30, changedAt: 1 },
    ]
    await left.look()
    await left.discard(20)
    expect([left.bytes, discarded]).toEqual([100, 1])
    await left.discard(1_000)
    expect([left.bytes, discarded]).toEqual([0, 2])
  })

  test('goes at once where its bytes have come', async () => {
    onDisk = [
      { key: 'held', bytes: 100, changedAt: 1 },
      { key: 'taken', bytes: 100, changedAt: 1 },
      { key: 'not yet', bytes: 30, changedAt: 2 },
    ]
    held = new Set(['held', 'taken'])
    left.taken('taken')
    await left.look()
    expect([left.bytes, discarded]).toEqual([30, 1])
    await left.arrived('not yet')
    expect([left.bytes, discarded]).toEqual([0, 2])
    await left.arrived('unheard of') // it may be there all the same
    await left.arrived('taken')
    expect([left.bytes, discarded]).toEqual([0, 3])
  })
})
