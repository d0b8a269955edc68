import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Config } from '../config/config.ts'
import { Fault } from '../model/fault.ts'
import { type Clock, systemClock } from '../system/clock.ts'
import { countedIn, sumMetrics } from '../system/metrics-sum.ts'
import { plainAddress } from '../system/networks.ts'
import { untilGone } from '../system/until-gone.ts'
import { pulseIsLost } from './pulse.ts'
import { hasLimitsPerClient, type WorkerPlan } from './worker-plan.ts'
import { type Connection, startWorkerProcess, type WorkerProcess, type WorkerProcessDeps } from './worker-process.ts'

/**
 * Processes that speak to clients, while this one has the house. One that dies takes its connections with it, and nothing else;
 * one that does not answer any more is ended. Either is replaced.
 */
export interface Workers {
  /** Settles when all of them serve. @throws Fault why one cannot */
  begin(urls: readonly string[]): Promise<void>
  /** A connection that came by the listener at that place of the settings. */
  take(socket: Socket, at: number): void
  /** What all count, together with what this process does. */
  expose(own: string): Promise<string>
  /** Settles when all have these settings: one that cannot take them is ended, and replaced by one that begins with them. */
  reload(config: Config): Promise<void>
  /** Does any of them answer within that time? */
  isWell(patienceMs: number): Promise<boolean>
  /** Lets running answers end until the signal aborts. */
  close(signal: AbortSignal): Promise<void>
}

export interface WorkersDeps extends WorkerProcessDeps {
  readonly count: number
  readonly version: string
  readonly clock: Clock
}

const newsEveryMs = 50
const goodForMs = 30_000 // one that lived so long did not die of how it was started
const pauses = { firstMs: 250, mostMs: 10_000 }
const mostWaiting = 4096 // connections, while there is nobody to serve them
const lateMs = 5_000 // for a process to end once its connections are cut
const countingMs = 2_000 // for it to tell what it counts

export function createWorkers(first: Config, deps: WorkersDeps): Workers {
  const { count, log, clock } = deps
  const places: (WorkerProcess | undefined)[] = Array.from({ length: count }, () => undefined) // those that serve
  const alive = new Map<WorkerProcess, Config>() // and the settings that each has
  const counted = new Map<WorkerProcess, string>() // as each told last
  const waiting: Connection[] = []
  const ending = new AbortController()
  let urls: readonly string[] = []
  let config = first
  let isSticky = hasLimitsPerClient(first)
  let hasBegun = false
  let newsTimer: NodeJS.Timeout | undefined
  let past = '' // what those counted that are gone

  const serving = (): readonly WorkerProcess[] => places.filter((one) => one !== undefined)

  /** Settles when it serves. @throws Fault why it does not */
  async function start(place: number): Promise<void> {
    const worker = startWorkerProcess(deps)
    const startedAt = clock.now()
    alive.set(worker, config)
    let isServing = false
    watch(worker)
    void worker.ended.then((why) => {
      alive.delete(worker)
      past = sumMetrics([past, countedIn(counted.get(worker) ?? '')])
      counted.delete(worker)
      if (places[place] === worker) places[place] = undefined
      for (const { socket, at } of worker.untaken()) ending.signal.aborted ? socket.destroy() : take(socket, at)
      if (isServing && !ending.signal.aborted) {
        log.error('worker.died', { pid: worker.pid, why, connections: worker.connections })
        void replace(place, clock.now() - startedAt > goodForMs ? 0 : pauses.firstMs)
      }
    })
    const { file, origin } = first
    const { version } = deps
    const plan: WorkerPlan = { file, first: origin, now: config.origin, count, place, urls, version, news: newsOf(deps) }
    try {
      await worker.channel.call('begin', [plan])
      while (alive.get(worker) !== config) await update(worker)
    } catch (error) {
      worker.kill()
      throw error
    }
    isServing = true
    places[place] = worker
    if (hasBegun) takeWaiting()
  }

  /** @throws Fault why it cannot take the newest settings */
  async function update(worker: WorkerProcess): Promise<void> {
    const next = config
    await worker.channel.call('reload', [next.origin])
    alive.set(worker, next)
  }

  /** By the time of this machine, whatever that of the house is. */
  function watch(worker: WorkerProcess): void {
    const over = new AbortController()
    void worker.ended.then(() => over.abort())
    void pulseIsLost(worker.ping, systemClock, over.signal).then((isLost) => {
      if (!isLost) return
      log.error('worker.hangs', { pid: worker.pid, connections: worker.connections })
      worker.kill()
    })
  }

  /** What a slow one told before is better than nothing. */
  async function counts(worker: WorkerProcess): Promise<void> {
    const asked = worker.channel.call<string>('expose', []).then((text) => alive.has(worker) && counted.set(worker, text))
    await untilGone(asked, AbortSignal.timeout(countingMs)).catch(() => {})
  }

  async function anyAnswers(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const first = Promise.any(serving().map((worker) => worker.ping()))
      if (await first.then(() => true).catch(() => false)) return true
      await clock.sleep(pauses.firstMs, signal).catch(() => {})
    }
    return false
  }

  function takeWaiting(): void {
    for (const { socket, at } of waiting.splice(0)) take(socket, at)
  }

  async function replace(place: number, pauseMs: number): Promise<void> {
    await clock.sleep(pauseMs, ending.signal).catch(() => {})
    if (ending.signal.aborted) return
    await start(place).catch((error) => {
      if (ending.signal.aborted) return
      log.error('worker.start', { error })
      void replace(place, Math.min(pauses.mostMs, 2 * pauseMs + pauses.firstMs))
    })
  }

  function take(socket: Socket, at: number): void {
    const worker = hasBegun ? choose(socket.remoteAddress ?? '') : undefined
    if (worker) worker.take({ socket, at })
    else if (waiting.length < mostWaiting) waiting.push({ socket, at })
    else socket.destroy()
  }

  /**
   * Where a client may have only so much, all of its connections go to the same one, and to another only while that one is
   * being replaced; else each to who has the fewest.
   */
  function choose(client: string): WorkerProcess | undefined {
    const able = serving()
    if (isSticky) {
      const number = createHash('sha256').update(plainAddress(client)).digest().readUInt32BE()
      return places[number % count] ?? able[number % able.length]
    }
    return able.reduce<WorkerProcess | undefined>(
      (least, one) => (least && least.connections <= one.connections ? least : one),
      undefined,
    )
  }

  return {
    async begin(listening) {
      urls = listening
      await Promise.all(places.map((_, place) => start(place)))
      hasBegun = true
      takeWaiting()
      // What is known without asking may change with nobody asking.
      newsTimer = setInterval(() => {
        for (const { channel } of serving()) channel.touch()
      }, newsEveryMs)
      newsTimer.unref()
    },
    take,
    async expose(own) {
      await Promise.all(serving().map(counts))
      return sumMetrics([own, past, ...counted.values()])
    },
    async reload(next) {
      config = next
      isSticky = hasLimitsPerClient(next)
      const told = serving().map((worker) =>
        update(worker).catch((error) => {
          log.error('worker.reload', { pid: worker.pid, error })
          worker.kill() // it would let in whom these do not
        }),
      )
      await Promise.all(told)
    },
    async isWell(patienceMs) {
      const over = new AbortController()
      const late = clock.sleep(patienceMs, over.signal).then(() => false)
      late.catch(() => {})
      return Promise.race([late, anyAnswers(over.signal)]).finally(() => over.abort())
    },
    async close(signal) {
      ending.abort(new Fault('cancelled', { what: 'serving by workers' }))
      clearInterval(newsTimer)
      for (const { socket } of waiting.splice(0)) socket.destroy()
      const all = [...alive.keys()]
      const kill = () => {
        for (const worker of all) worker.kill()
      }
      let killer: NodeJS.Timeout | undefined
      const cut = () => {
        killer = setTimeout(kill, lateMs)
      }
      if (signal.aborted) kill()
      else signal.addEventListener('abort', cut, { once: true })
      await Promise.all(
        all.map(({ channel, ended }) =>
          channel
            .call('close', [], signal)
            .catch(() => {})
            .then(() => ended),
        ),
      )
      signal.removeEventListener('abort', cut)
      clearTimeout(killer)
    },
  }
}

function newsOf({ house: { catalog } }: WorkersDeps): WorkerPlan['news'] {
  const { isSigning, linksVersion, hitsVersion } = catalog
  return { isSigning, linksVersion, hitsVersion }
}
