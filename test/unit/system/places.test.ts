import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createPlaces } from '../../../src/system/places.ts'
import { calm } from '../../kit/bytes.ts'

const turn = () => new Promise((go) => setImmediate(go))

describe('places', () => {
  test('are taken in the order of asking', async () => {
    const places = createPlaces(1)
    let leave = await places.enter(calm)
    const order: number[] = []
    for (const at of [1, 2, 3]) {
      void places.enter(calm).then((free) => {
        order.push(at)
        leave = free
      })
    }
    for (let at = 0; at < 3; at++) {
      expect(order).toHaveLength(at)
      leave()
      await turn()
    }
    expect(order).toEqual([1, 2, 3])
  })

  test('are given back once, however often it is said', async () => {
    const places = createPlaces(1)
    const leave = await places.enter(calm)
    leave()
    leave()
    await places.enter(calm)
    let isIn = false
    void places.enter(calm).then(() => (isIn = true))
    await turn()
    expect(isIn).toBe(false)
  })

  test('who leaves the queue takes no place', async () => {
    const places = createPlaces(1)
    const leave = await places.enter(calm)
    const control = new AbortController()
    const left = places.enter(control.signal)
    const { signal } = new AbortController()
    const next = places.enter(signal)
    control.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    leave()
    const last = await next
    expect(getEventListeners(signal, 'abort')).toEqual([])
    last()
    await expect(places.enter(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    await places.enter(calm)
  })
})
