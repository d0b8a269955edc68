import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Config } from '../config/load.ts'
import { Fault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { sumMetrics } from '../system/metrics-sum.ts'
import { hasLimitsPerClient, type WorkerPlan } from './worker-plan.ts'
import { type Connection, startWorkerProcess, type WorkerProcess, type WorkerProcessDeps } from './worker-process.ts'

/** Processes that speak to clients, while this one has the house. One that dies takes its connections with it, and nothing else. */
export interface Workers {
  /** Settles when all of them serve. @throws Fault why one cannot */
  begin(urls: readonly string[]): Promise<void>
  /** A connection that came by the listener at that place of the settings. */
  take(socket: Socket, at: number): void
  /** What all count, together with what this process does. */
  expose(own: string): Promise<string>
  reload(config: Config): Promise<void>
  /** Does each of them answer within that time? */
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

export function createWorkers(first: Config, deps: WorkersDeps): Workers {
  const { count, log, clock } = deps
  const places: (WorkerProcess | undefined)[] = Array.from({ length: count }, () => undefined) // those that serve
  const alive = new Set<WorkerProcess>()
  const waiting: Connection[] = []
  const ending = new AbortController()
  let urls: readonly string[] = []
  let config = first
  let isSticky = hasLimitsPerClient(first)
  let newsTimer: NodeJS.Timeout | undefined

  const serving = (): readonly WorkerProcess[] => places.filter((one) => one !== undefined)

  /** Settles when it serves. @throws Fault why it does not */
  async function start(place: number): Promise<void> {
    const worker = startWorkerProcess(deps)
    const startedAt = clock.now()
    alive.add(worker)
    let isServing = false
    void worker.ended.then((why) => {
      alive.delete(worker)
      if (places[place] === worker) places[place] = undefined
      for (const { socket, at } of worker.untaken()) ending.signal.aborted ? socket.destroy() : take(socket, at)
      if (isServing && !ending.signal.aborted) {
        log.error('worker.died', { pid: worker.pid, why, connections: worker.connections })
        void replace(place, clock.now() - startedAt > goodForMs ? 0 : pauses.firstMs)
      }
    })
    const { file, origin } = first
    const { version } = deps
    const plan: WorkerPlan = { file, first: origin, now: config.origin, count, urls, version, news: newsOf(deps) }
    try {
      await worker.channel.call('begin', [plan])
    } catch (error) {
      worker.kill()
      throw error
    }
    isServing = true
    places[place] = worker
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
    const worker = choose(socket.remoteAddress ?? '')
    if (worker) worker.take({ socket, at })
    else if (waiting.length < mostWaiting) waiting.push({ socket, at })
    else socket.destroy()
  }

  /** Where a client may have only so much, all of its connections go to the same one; else each to who has the fewest. */
  function choose(client: string): WorkerProcess | undefined {
    const able = serving()
    if (isSticky) return able[createHash('sha256').update(client).digest().readUInt32BE() % able.length]
    return able.reduce<WorkerProcess | undefined>(
      (least, one) => (least && least.connections <= one.connections ? least : one),
      undefined,
    )
  }

  return {
    async begin(listening) {
      urls = listening
      await Promise.all(places.map((_, place) => start(place)))
      // What is known without asking may change with nobody asking.
      newsTimer = setInterval(() => {
        for (const { channel } of serving()) channel.touch()
      }, newsEveryMs)
      newsTimer.unref()
    },
    take,
    async expose(own) {
      const theirs = serving().map(({ channel }) => channel.call<string>('expose', []).catch(() => ''))
      return sumMetrics([own, ...(await Promise.all(theirs))])
    },
    async reload(next) {
      config = next
      isSticky = hasLimitsPerClient(next)
      const told = serving().map(({ channel, pid }) =>
        channel.call('reload', [next.origin]).catch((error) => log.error('worker.reload', { pid, error })),
      )
      await Promise.all(told)
    },
    async isWell(patienceMs) {
      const answers = Promise.all(serving().map(({ channel }) => channel.call('ping', [])))
      const late = clock.sleep(patienceMs).then(() => false)
      return Promise.race([late, answers.then(() => true)]).catch(() => false)
    },
    async close(signal) {
      ending.abort(new Fault('cancelled', { what: 'serving by workers' }))
      clearInterval(newsTimer)
      for (const { socket } of waiting.splice(0)) socket.destroy()
      const all = [...alive]
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
