import { Fault } from '../model/fault.ts'
import { untilGone } from './until-gone.ts'

export interface SingleFlight<K, V> {
  /**
   * Joins the work under way for that key, or begins it. `work` gets a signal of its own, which aborts only when
   * everybody who asked has gone; who aborts is let go at once.
   */
  run(key: K, signal: AbortSignal, work: (shared: AbortSignal) => Promise<V>): Promise<{ value: V; joined: boolean }>
}

interface Flight<V> {
  readonly control: AbortController
  readonly result: Promise<V>
  askers: number
}

export function createSingleFlight<K, V>(): SingleFlight<K, V> {
  const flights = new Map<K, Flight<V>>()

  function begin(key: K, work: (shared: AbortSignal) => Promise<V>): Flight<V> {
    const control = new AbortController()
    const flight: Flight<V> = {
      control,
      askers: 0,
      result: Promise.resolve()
        .then(() => work(control.signal))
        .finally(() => forget(key, flight)),
    }
    flight.result.catch(() => {})
    flights.set(key, flight)
    return flight
  }

  function forget(key: K, flight: Flight<V>): void {
    if (flights.get(key) === flight) flights.delete(key)
  }

  return {
    async run(key, signal, work) {
      signal.throwIfAborted()
      const running = flights.get(key)
      const flight = running ?? begin(key, work)
      flight.askers++
      try {
        return { value: await untilGone(flight.result, signal), joined: running !== undefined }
      } finally {
        if (--flight.askers === 0 && signal.aborted) {
          forget(key, flight)
          flight.control.abort(new Fault('cancelled', { what: String(key) }))
        }
      }
    },
  }
}
