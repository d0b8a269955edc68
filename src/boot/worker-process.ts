import { fork, type Serializable } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
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
  /** Once it has ended: what was for it and was not sent yet. What may have reached it is closed. */
  untaken(): readonly Connection[]
  kill(): void
  /** Settles with why it ended, when nothing is open for it any more. */
  readonly ended: Promise<string>
}

export interface WorkerProcessDeps {
  readonly house: Pick<House, 'catalog' | 'uses'>
  readonly promises: Promises
  readonly metrics: () => Promise<string> // what /metrics says
  readonly log: Logger
}

const script = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'worker.ts' : 'worker.js', import.meta.url))

export function startWorkerProcess({ house, promises, metrics, log }: WorkerProcessDeps): WorkerProcess {
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, ...env } = process.env // whoever supervises is told by this process
  const child = fork(script, [], { serialization: 'advanced', env, stdio: 'inherit' })
  const service = createService({ house: () => house })
  // In this order; one is sent when the one before has arrived. They are kept open here until then: those for a process
  // that dies are forgotten otherwise, and stay open for ever.
  const underWay = new Map<Connection, 'waiting' | 'sent'>()
  let connections = 0
  let told: News | undefined

  const answers = {
    ...service.answers,
    ...promising(promises),
    metrics,
    taken() {
      for (const connection of underWay.keys()) return drop(connection)
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

  function drop(connection: Connection): void {
    underWay.delete(connection)
    connection.socket.destroy()
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
      connections++
      underWay.set(connection, 'waiting')
      child.send({ at }, socket, { keepOpen: true }, (error) => {
        if (!underWay.has(connection)) return
        if (error) {
          connections--
          drop(connection)
        } else underWay.set(connection, 'sent')
      })
    },
    untaken() {
      const left = [...underWay].filter(([, state]) => state === 'waiting').map(([connection]) => connection)
      for (const connection of left) underWay.delete(connection)
      for (const connection of underWay.keys()) drop(connection)
      return left
    },
    kill: () => void child.kill('SIGKILL'),
    ended: new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`))
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
