import type { Socket } from 'node:net'
import type { Origin } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { publicUrlOf } from '../config/public-url.ts'
import type { Promises } from '../edge/promises.ts'
import { type Answers, type Channel, createChannel } from '../system/channel.ts'
import { systemClock as clock } from '../system/clock.ts'
import { createLogger } from '../system/log.ts'
import { createMetrics } from '../system/metrics.ts'
import { createUses } from '../system/uses.ts'
import { createRemoteCatalog } from '../workers/remote-catalog.ts'
import type { News } from '../workers/wire.ts'
import { openFront } from './front.ts'
import { type Reception, receive } from './listener.ts'
import { withoutRestart } from './restart.ts'
import { openTlsDoors } from './tls-doors.ts'
import { shareOf, type WorkerPlan } from './worker-plan.ts'

// A process that speaks to clients, for one that has the house and hands it their connections. It ends with that one.

const closedEveryMs = 20

function main(): void {
  // A terminal, or whoever stops the service, says it to all processes: the one that has the house decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.once('disconnect', () => process.exit(1))
  let serving: Serving | undefined
  let news: News | undefined
  const answers: Answers = {
    async begin([plan]) {
      serving = await serve(plan, channel)
      if (news) serving.hear(news)
    },
    ping: () => {},
    expose: () => serving?.expose() ?? '',
    reload: ([origin]) => serving?.reload(origin),
    news([latest]) {
      news = latest as News
      serving?.hear(news)
    },
    async close(_, signal) {
      await serving?.close(signal)
      process.exit(0)
    },
  }
  const channel = createChannel(
    {
      send: (message) => void process.send!(message, undefined, undefined, () => {}),
      receive: (take) =>
        void process.on('message', (message: unknown, socket) => {
          if (Array.isArray(message)) return take(message)
          const { at, number } = message as { readonly at: number; readonly number: number }
          channel.tell('taken', number)
          serving?.take(socket as Socket | undefined, at)
        }),
    },
    answers,
    (error) => process.emitWarning(error as Error),
  )
}

interface Serving {
  hear(news: News): void
  take(socket: Socket | undefined, at: number): void
  expose(): string
  reload(origin: Origin): Promise<void>
  close(signal: AbortSignal): Promise<void>
}

async function serve(plan: WorkerPlan, channel: Channel): Promise<Serving> {
  const read = (origin: Origin) => loadConfig(plan.file, process.env, origin)
  const share = (config: ReturnType<typeof read>) => shareOf(config, plan)
  const first = read(plan.first)
  let config = withoutRestart(first, read(plan.now)) // what the first ones name may not be there any more
  let isReady = true
  let gone = 0 // connections
  const log = createLogger({ level: config.log.level, isShared: true })
  const metrics = createMetrics()
  const uses = createUses()
  const tls = await openTlsDoors(config, { log, clock })
  const catalog = createRemoteCatalog(channel, { maxBytes: share(config).store.memory, news: plan.news })
  const front = await openFront(share(config), {
    house: { catalog, uses },
    tls,
    clock,
    log,
    metrics,
    exposing: { expose: () => channel.call<string>('metrics', []) },
    promises: remotePromises(channel),
    failures: {
      patienceOf: (network) => channel.call('loginPatience', [network]),
      add: (network) => channel.call('loginFailed', [network]),
    },
    publicUrl: () => publicUrlOf(config, plan.urls[0]),
    version: plan.version,
    isReady: () => isReady,
  })
  const receptions = first.listen.map((_, at): Reception => {
    const reception = receive(...front.serving(at))
    front.opened(at, reception)
    return reception
  })

  function left(): void {
    if (gone++ > 0) return
    setTimeout(() => {
      channel.tell('closed', gone)
      gone = 0
    }, closedEveryMs)
  }

  async function reload(origin: Origin): Promise<void> {
    const next = withoutRestart(first, read(origin))
    const prepared = await front.prepare(share(next))
    config = next
    await prepared.use()
    log.setLevel(next.log.level)
  }

  return {
    hear: catalog.hear,
    take(socket, at) {
      if (!socket) return left() // it was gone before it came here
      socket.once('close', left)
      receptions[at]!.take(socket)
    },
    expose: metrics.expose,
    reload,
    async close(signal) {
      isReady = false
      await Promise.all(receptions.map((reception) => reception.close(signal)))
      catalog.close()
      await tls.close()
      await front.close()
      log.flush()
    },
  }
}

function remotePromises(channel: Channel): Promises {
  return {
    give: ({ client }, reference, id) => channel.call('give', [{ client }, reference, id]),
    given: ({ client }, reference) => channel.call('given', [{ client }, reference]),
    sent: ({ client }, reference) => channel.call('sent', [{ client }, reference]),
    asksAgain: ({ client }, reference) => channel.call('asksAgain', [{ client }, reference]),
  }
}

main()
