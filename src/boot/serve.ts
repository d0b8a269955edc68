import { isatty } from 'node:tty'
import type { Config } from '../config/config.ts'
import { isFault } from '../model/fault.ts'
import { systemClock } from '../system/clock.ts'
import { createLogger } from '../system/log.ts'
import { commandSocket } from './command-socket.ts'
import { printGreeting } from './greeting.ts'
import { answersHealthy } from './probe.ts'
import { startServer } from './server.ts'
import { createSupervisor } from './supervisor.ts'

export interface ServeOptions {
  readonly reread: () => Config
  readonly workers: number // processes that speak to clients; 0: this one does
}

const terminal = 0 // standard input

/**
 * Runs until SIGTERM or SIGINT; returns the exit code. A second signal ends it at once. SIGHUP has it take the settings that
 * `reread` gives, unless it is the terminal that hangs up.
 *
 * @throws Fault when it cannot start
 */
export async function serve(config: Config, version: string, { reread, workers }: ServeOptions): Promise<number> {
  const log = createLogger({ level: config.log.level, isShared: workers > 0 })
  const supervisor = createSupervisor({ env: process.env, clock: systemClock, log })
  const hadTerminal = isatty(terminal)
  const stop = nextSignal()
  let isStopped = false
  void stop.then(() => {
    isStopped = true
  })
  let { level } = config.log
  let isWanted = false
  let reload = async () => {
    isWanted = true // once it has started: what that has read may be old by then
  }
  let hasHungUp = false // a terminal says it to its programs more than once
  process.on('SIGHUP', () => {
    if (hasHungUp) return
    hasHungUp = hadTerminal && !isatty(terminal)
    if (!hasHungUp) return void reload()
    log.setLevel('silent') // where it would write is gone
    process.kill(process.pid, 'SIGTERM')
  })
  try {
    const server = await startServer(config, { log, version, workers }).catch(async (error) => {
      if (!isStopped) throw error
      log.info('stop', { signal: await stop, error }) // a terminal tells all processes, and those that start end with that
    })
    if (!server) return 0
    const status = `serving at ${server.urls.join(', ')}`
    log.info('start', { version, urls: server.urls, store: config.store.path, upstreams: [...config.upstreams.keys()] })
    log.flush()

    reload = async () => {
      await supervisor.reloading()
      try {
        const next = reread()
        const waiting = await server.reload(next)
        level = next.log.level
        log.info('reload', { upstreams: [...next.upstreams.keys()] })
        if (waiting.length > 0)
          log.warn('reload.restart', { settings: waiting, why: 'these are others now, from the next start on' })
      } catch (error) {
        const mistakes = isFault(error, 'config-invalid') ? error.details.mistakes : [error]
        for (const mistake of mistakes) log.error('reload.refused', { mistake, why: 'the settings of before stay in use' })
      }
      log.flush()
      log.setLevel(level)
      await supervisor.ready(status)
    }

    if (isWanted) await reload()
    await supervisor.ready(status)
    supervisor.watch(async (patienceMs) =>
      (await Promise.all([answersHealthy(commandSocket(config), patienceMs), server.isWell(patienceMs)])).every(Boolean),
    )
    if (process.stderr.isTTY || config.log.level !== 'silent') process.stderr.write(printGreeting(server.urls[0]!, config))
    log.info('stop', { signal: await stop })
    process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
    await supervisor.stopping()
    await server.close()
    return 0
  } finally {
    await supervisor.close()
    log.flush()
  }
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
}
