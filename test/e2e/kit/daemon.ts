import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment, signalGroup } from './run.ts'

export interface DaemonPlan {
  readonly command: string
  readonly args: readonly string[]
  /** Both outputs are appended here. */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Asked again and again until it says true; an error counts as false. */
  readonly ready: () => Promise<boolean>
}

/** A server that runs as a child process, in a process group of its own. */
export interface Daemon extends AsyncDisposable {
  readonly pid: number
  /** SIGTERM to the server, and SIGKILL to all that is left after a while; resolves with the exit code when it is gone. */
  stop(): Promise<number | undefined>
  /** SIGKILL to the server and all it started. */
  kill(): Promise<void>
}

const readyWithinMs = 60_000
const endsWithinMs = 40_000 // ours lets running answers end for half a minute

/** Starts a server and waits until it is ready; throws with the end of its log when it is not. */
export async function startDaemon(plan: DaemonPlan): Promise<Daemon> {
  const log = await open(plan.log, 'a')
  // The kernel ends the server when the test runner is gone, however that came about.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', plan.command, ...plan.args], {
    cwd: plan.cwd,
    env: childEnvironment(plan.env),
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  })
  await log.close()
  const end = (): void => signalGroup(child.pid, 'SIGKILL')
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  child.once('error', () => resolve())
  const running = (): boolean => child.exitCode === null && child.signalCode === null && child.pid !== undefined

  const daemon: Daemon = {
    pid: child.pid ?? 0,
    async stop() {
      if (running()) child.kill('SIGTERM')
      const timer = setTimeout(end, endsWithinMs)
      await gone
      clearTimeout(timer)
      return child.exitCode ?? undefined
    },
    async kill() {
      end()
      await gone
    },
    async [Symbol.asyncDispose]() {
      await daemon.stop()
      end()
    },
  }
  await waitUntilReady(plan, running, daemon)
  return daemon
}

async function waitUntilReady(plan: DaemonPlan, running: () => boolean, daemon: Daemon): Promise<void> {
  const limit = Date.now() + readyWithinMs
  while (Date.now() < limit && running()) {
    if (await plan.ready().catch(() => false)) return
    await sleep(25)
  }
  const state = running() ? 'is not ready in time' : 'ended at once'
  await daemon.kill()
  const words = await readFile(plan.log, 'utf8').catch(() => '')
  throw new Error(`${plan.command} ${plan.args.join(' ')} ${state}:\n${words.slice(-4_000)}`)
}

/** True when the URL answers with one of these statuses. */
export async function answers(url: string, statuses: readonly number[]): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  await response.body?.cancel()
  return statuses.includes(response.status)
}
