import { describe, expect, test, vi } from 'vitest'
import { createPace } from '../../../src/edge/pace.ts'

const MiB = 1024 * 1024
const asker = (client: string, signal = new AbortController().signal) => ({ client, signal })

describe('a pace', () => {
  test('is none where nothing is limited', () => {
    expect(createPace({ perClient: undefined, inAll: undefined })).toBeUndefined()
  })

  test('lets a client wait for what it owes, and nobody else', async () => {
    const pace = createPace({ perClient: 4 * MiB, inAll: undefined })!
    expect(pace.turn(asker('a'))).toBeUndefined()
    const startedAt = performance.now()
    pace.spend('a', pace.most + 200 * 1024)
    expect(pace.turn(asker('b'))).toBeUndefined()
    await pace.turn(asker('a'))
    expect(performance.now() - startedAt).toBeGreaterThan(40)
  })

  test('of all lets them wait one after the other, in the order in which they came', async () => {
    const pace = createPace({ perClient: undefined, inAll: 20 * MiB })!
    pace.spend('a', pace.most + 2 * MiB)
    const order: string[] = []
    const turns = ['a', 'b', 'c'].map(async (client) => {
      await pace.turn(asker(client))
      order.push(client)
      pace.spend(client, MiB)
    })
    await Promise.all(turns)
    expect(order).toEqual(['a', 'b', 'c'])
    pace.spend('c', 100 * MiB)
    const control = new AbortController()
    const next = pace.turn(asker('d', control.signal))
    expect(next, 'who comes while something is owed').toBeDefined()
    control.abort(new Error('left'))
    await expect(next).rejects.toThrow('left')
  })

  test('of all passes nobody over who came in the same moment, though it is paid meanwhile', async ({ onTestFinished }) => {
    const pace = createPace({ perClient: undefined, inAll: 20 * MiB })!
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    onTestFinished(() => now.mockRestore())
    pace.spend('a', pace.most + 2 * MiB)
    const first = pace.turn(asker('a'))
    now.mockReturnValue(1_000)
    const second = pace.turn(asker('b'))
    expect([first, second]).toEqual([expect.any(Promise), expect.any(Promise)])
    await Promise.all([first, second])
  })

  test('lets nobody wait for one who has left', async () => {
    const pace = createPace({ perClient: undefined, inAll: MiB })!
    pace.spend('a', pace.most + MiB / 4)
    const control = new AbortController()
    const gone = pace.turn(asker('a', control.signal))
    const next = pace.turn(asker('b'))
    control.abort(new Error('left'))
    await expect(gone).rejects.toThrow('left')
    await next
    expect(pace.turn(asker('c'))).toBeUndefined()
  })
})
