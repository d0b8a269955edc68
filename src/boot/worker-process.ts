import { fork, type Serializable } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Failures } from '../access/attempts.ts'
import type { Promises } from '../edge/promises.ts'
import { type Channel, createChannel } from '../system/channel.ts'
import type { Logger } from '../system/log.ts'
import { createService } from '../workers/service.ts'
import type { News } from '../workers/wire.ts'
import type { House } from './house.ts'

/** That came by the listener at that place of the settings. */
export interface Connection {
  readonly socket: Socket
  readonly at: number
}

/** One worker, as the process sees it that has the house. */
export interface WorkerProcess {
  readonly pid: number | undefined
  readonly channel: Channel
  readonly connections: number // now
  take(connection: Connection): void
  /** Settles when it answers. What was handed to it before that and did not reach it, for want of room there, is closed then. */
  ping(): Promise<void>
  /** Once it has ended: what was for it and was not sent yet. What may have reached it is closed. */
  untaken(): readonly Connection[]
  kill(): void
  /** Settles with why it ended, or could not start, when nothing is open for it any more. */
  readonly ended: Promise<string>
}

/** A connection that is not known to have reached it. */
interface Handed {
  readonly connection: Connection
  isSent: boolean
}

export interface WorkerProcessDeps {
  readonly house: Pick<House, 'catalog' | 'uses'>
  readonly promises: Promises
  readonly failures: Failures
  readonly metrics: () => Promise<string> // what /metrics says
  readonly log: Logger
}

const script = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'worker.ts' : 'worker.js', import.meta.url))

export function startWorkerProcess({ house, promises, failures, metrics, log }: WorkerProcessDeps): WorkerProcess {
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, ...env } = process.env // whoever supervises is told by this process
  const child = fork(script, [], { serialization: 'advanced', env, stdio: 'inherit' })
  const service = createService({ house: () => house })
  // In this order; one is sent when the one before has arrived. They are kept open here until then: those for a process
  // that dies are forgotten otherwise, and stay open for ever.
  const underWay = new Map<number, Handed>()
  let lastHanded = 0
  let connections = 0
  let told: News | undefined

  const answers = {
    ...service.answers,
    ...promising(promises),
    loginPatience: ([network]: readonly string[]) => failures.patienceOf(network!),
    loginFailed: ([network]: readonly string[]) => failures.add(network!),
    metrics,
    taken([number]: readonly number[]) {
      lose(number!)
      drop(number!)
    },
    closed: ([many]: readonly number[]) => {
      connections -= many!
    },
  }
  const port = {
    // To a process that is on its way out it is said in vain.
    send: (message: Serializable) => void (child.connected && child.send(message, () => {})),
    receive: (take: (message: unknown) => void) => void child.on('message', take),
  }
  const failed = (error: unknown) => log.error('worker.told', { pid: child.pid, error })
  const channel = createChannel(port, answers, failed, () => {
    const news = service.news()
    if (told && isSame(told, news)) return undefined
    told = news
    return ['news', news]
  })

  function drop(number: number): void {
    underWay.get(number)?.connection.socket.destroy()
    underWay.delete(number)
  }

  /** It has what was handed to it from that one on: what is still under way of those before has not arrived. */
  function lose(before: number): void {
    for (const number of underWay.keys()) {
      if (number >= before) return
      connections--
      drop(number)
    }
  }

  async function end(why: string): Promise<string> {
    channel.close(`worker ${child.pid} ended (${why})`)
    await service.close()
    return why
  }

  child.on('error', (error) => log.error('worker.error', { pid: child.pid, error }))
  return {
    pid: child.pid,
    channel,
    get connections() {
      return connections
    },
    take(connection) {
      const { socket, at } = connection
      const number = ++lastHanded
      const handed: Handed = { connection, isSent: false }
      connections++
      underWay.set(number, handed)
      child.send({ at, number }, socket, { keepOpen: true }, (error) => {
        handed.isSent = !error
      })
    },
    async ping() {
      const before = lastHanded + 1
      await channel.call('ping', [])
      lose(before)
    },
    untaken() {
      const all = [...underWay]
      for (const [number, { isSent }] of all) {
        if (isSent) drop(number)
      }
      underWay.clear()
      return all.filter(([, { isSent }]) => !isSent).map(([, { connection }]) => connection)
    },
    kill: () => void child.kill('SIGKILL'),
    ended: new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`))
      child.once('error', (error) => child.pid === undefined && resolve(error.message)) // it never was
    }).then(end),
  }
}

function isSame(one: News, other: News): boolean {
  const { isSigning, linksVersion, hitsVersion } = other
  return one.isSigning === isSigning && one.linksVersion === linksVersion && one.hitsVersion === hitsVersion
}

/** What one worker promised a client holds with all of them. */
function promising(promises: Promises) {
  const names = ['give', 'given', 'sent', 'asksAgain'] as const
  const asked = promises as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
  return Object.fromEntries(names.map((name) => [name, (args: readonly unknown[]) => asked[name]!(...args)]))
}
