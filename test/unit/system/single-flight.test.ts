import { describe, expect, test } from 'vitest'
import { createSingleFlight } from '../../../src/system/single-flight.ts'
import { calm } from '../../kit/bytes.ts'

describe('a single flight', () => {
  test('does the work once for all who ask meanwhile', async () => {
    const flights = createSingleFlight<string, number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    let runs = 0
    const work = () => {
      runs++
      return promise
    }
    const all = Array.from({ length: 10 }, () => flights.run('a', calm, work))
    resolve(7)
    const answers = await Promise.all(all)
    expect(answers.map(({ value }) => value)).toEqual(Array(10).fill(7))
    expect(answers.filter(({ joined }) => !joined)).toHaveLength(1)
    expect(runs).toBe(1)
  })

  test('keeps nothing: who asks later asks anew, also after a failure', async () => {
    const flights = createSingleFlight<string, number>()
    await expect(flights.run('a', calm, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await flights.run('a', calm, async () => 1)).toEqual({ value: 1, joined: false })
    expect(await flights.run('a', calm, async () => 2)).toEqual({ value: 2, joined: false })
  })

  test('keys do not wait for each other', async () => {
    const flights = createSingleFlight<string, number>()
    const stuck = new AbortController()
    const first = flights.run('a', stuck.signal, () => new Promise<number>(() => {}))
    expect((await flights.run('b', calm, async () => 2)).value).toBe(2)
    stuck.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
  })

  test('who leaves is let go at once and ends nothing for the others', async () => {
    const flights = createSingleFlight<string, number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    let shared: AbortSignal | undefined
    const leaver = new AbortController()
    const left = flights.run('a', leaver.signal, (signal) => {
      shared = signal
      return promise
    })
    const stays = flights.run('a', calm, () => Promise.reject(new Error('second run')))
    await Promise.resolve()
    leaver.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(shared!.aborted).toBe(false)
    resolve(1)
    expect(await stays).toEqual({ value: 1, joined: true })
  })

  test('when all have left the work is told to end, and the next asker begins anew', async () => {
    const flights = createSingleFlight<string, number>()
    const signals: AbortSignal[] = []
    const controls = [new AbortController(), new AbortController()]
    const work = (signal: AbortSignal) => {
      signals.push(signal)
      return new Promise<number>(() => {})
    }
    const asked = controls.map(({ signal }) => flights.run('a', signal, work))
    await Promise.resolve()
    for (const control of controls) control.abort(new Error('gone'))
    await Promise.allSettled(asked)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    expect(await flights.run('a', calm, async () => 3)).toEqual({ value: 3, joined: false })
  })

  test('who has left already starts nothing', async () => {
    const flights = createSingleFlight<string, number>()
    let runs = 0
    await expect(flights.run('a', AbortSignal.abort(new Error('gone')), async () => runs++)).rejects.toThrow('gone')
    expect(runs).toBe(0)
  })
})
