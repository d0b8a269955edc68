import { beforeEach, describe, expect, test } from 'vitest'
import { type Circuit, createCircuit } from '../../../src/system/circuit.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'

describe('a circuit', () => {
  let clock: HandClock
  let circuit: Circuit
  let asked = 0

  beforeEach(() => {
    clock = createHandClock()
    asked = 0
    circuit = createCircuit({ clock, name: 'http://up', isFailure: (error) => (error as Error).message === 'down' })
  })

  const down = () =>
    circuit
      .run(async () => {
        asked++
        throw new Error('down')
      })
      .catch((error: Error) => error.message)
  const works = () =>
    circuit.run(async () => {
      asked++
      return 'fine'
    })

  async function open(): Promise<void> {
    for (let at = 0; at < 5; at++) await down()
  }

  test('opens after five failures in a row', async () => {
    for (let at = 0; at < 4; at++) await down()
    expect(circuit.isOpen).toBe(false)
    await down()
    expect(circuit.isOpen).toBe(true)
    await expect(works()).rejects.toMatchObject({ code: 'upstream-unreachable' })
    expect(asked).toBe(5)
  })

  test('a success in between counts anew', async () => {
    for (let at = 0; at < 4; at++) await down()
    await works()
    for (let at = 0; at < 4; at++) await down()
    expect(circuit.isOpen).toBe(false)
  })

  test('answers that are no failure do not open it', async () => {
    for (let at = 0; at < 9; at++) await circuit.run(async () => Promise.reject(new Error('404'))).catch(() => {})
    expect(circuit.isOpen).toBe(false)
  })

  test('after a pause lets one question through, and closes when that is answered', async () => {
    await open()
    await clock.advance(2_000)
    const { promise, resolve } = Promise.withResolvers<string>()
    const probe = circuit.run(() => promise)
    await expect(works()).rejects.toMatchObject({ code: 'upstream-unreachable' })
    resolve('fine')
    expect(await probe).toBe('fine')
    expect(await works()).toBe('fine')
  })

  test('a probe that fails doubles the pause, up to a minute', async () => {
    await open()
    for (const pause of [2, 4, 8, 16, 32, 60, 60]) {
      await clock.advance(pause * 1_000 - 1)
      expect(circuit.isOpen, `${pause} s`).toBe(true)
      await clock.advance(1)
      expect(circuit.isOpen, `${pause} s`).toBe(false)
      await down()
    }
  })

  test('many questions failing at once closed it for a minute instead of two seconds', async () => {
    await Promise.all(Array.from({ length: 64 }, down))
    await clock.advance(2_000)
    expect(circuit.isOpen).toBe(false)
    expect(await works()).toBe('fine')
  })

  test('a probe whose asker leaves makes room for the next', async () => {
    await open()
    await clock.advance(2_000)
    await circuit.run(() => Promise.reject(new Error('gone'))).catch(() => {})
    expect(circuit.isOpen).toBe(false)
    expect(await works()).toBe('fine')
  })
})
