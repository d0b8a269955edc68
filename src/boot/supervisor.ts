import { execFile } from 'node:child_process'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'

/** Tells systemd how the server is doing, where systemd asks for it. Nothing of it ever fails: it is logged. @see sd_notify(3) */
export interface Supervisor {
  ready(status: string): Promise<void>
  reloading(): Promise<void>
  stopping(): Promise<void>
  /** Says at half of the time that systemd allows that all is well, each time that is so. */
  watch(isWell: (patienceMs: number) => Promise<boolean>): void
  close(): Promise<void>
}

export interface SupervisorDeps {
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly log: Logger
}

const program = 'systemd-notify' // Node has no sockets for datagrams but those of networks
const patienceMs = 10_000

export function createSupervisor({ env, clock, log }: SupervisorDeps): Supervisor {
  const isAsked = Boolean(env.NOTIFY_SOCKET)
  const { NOTIFY_SOCKET, PATH } = env // what else is in ours may be secrets
  const control = new AbortController()
  let last: Promise<void> = Promise.resolve()
  let watching: Promise<void> = Promise.resolve()

  /** In this order, as one that comes late would undo what came after it. */
  function tell(...lines: string[]): Promise<void> {
    if (isAsked) last = last.then(() => send(lines))
    return last
  }

  function send(lines: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      execFile(program, lines, { env: { NOTIFY_SOCKET, PATH }, timeout: patienceMs }, (error) => {
        if (error) log.warn('systemd.notify', { told: lines[0], why: error.code === 'ENOENT' ? `there is no ${program}` : error })
        resolve()
      })
    })
  }

  async function watchNowAndThen(everyMs: number, isWell: (patienceMs: number) => Promise<boolean>): Promise<void> {
    for (;;) {
      await clock.sleep(everyMs, control.signal)
      if (await isWell(everyMs)) await tell('WATCHDOG=1')
      else log.error('systemd.watchdog', { why: 'the server did not answer itself' })
    }
  }

  return {
    ready: (status) => tell('READY=1', `STATUS=${status}`),
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    watch(isWell) {
      const everyMs = watchdogMs(env)
      if (isAsked && everyMs !== undefined) watching = watchNowAndThen(everyMs, isWell).catch(() => {})
    },
    async close() {
      control.abort()
      await watching
      await last
    },
  }
}

/** Half of the time after which systemd takes the server for dead; undefined where it does not look, or not at us. */
function watchdogMs({ WATCHDOG_USEC: time, WATCHDOG_PID: whom }: NodeJS.ProcessEnv): number | undefined {
  // The launcher may be the one that systemd started.
  const isOurs = whom === undefined || [process.pid, process.ppid].includes(Number(whom))
  return time !== undefined && /^\d{1,15}$/.test(time) && isOurs ? Math.max(1, Number(time) / 2000) : undefined
}
