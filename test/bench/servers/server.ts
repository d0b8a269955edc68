import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../now.ts'

/** A server on loopback, run as a process group of its own. Disposing stops it; its files go with the bench's folder. */
export interface Server extends AsyncDisposable {
  readonly who: string // the column it stands in
  readonly port: number
  readonly pid: number // of the process that runs now
  /** Starts it again after `stop`, and returns at once with the time (monotonic ms) just before the process was made. */
  launch(): number
  stop(): Promise<void>
}

export interface ServerPlan {
  readonly who: string
  readonly command: string
  readonly args: readonly string[]
  readonly port: number
  readonly log: string // file for all it says
  readonly cwd?: string
  /** A path that answers 200 when it is ready. */
  readonly readyPath: string
}

const readyWithinMs = 20_000
const endWithinMs = 15_000

/** Starts a server and waits until it is ready; throws with the end of its log when it is not. */
export async function startServer(plan: ServerPlan): Promise<Server> {
  const log = await open(plan.log, 'a')
  let child: ReturnType<typeof spawnServer> | undefined

  const server: Server = {
    who: plan.who,
    port: plan.port,
    get pid() {
      return child?.pid ?? 0
    },
    launch() {
      const startedAt = now()
      child = spawnServer(plan, log.fd)
      return startedAt
    },
    async stop() {
      await child?.stop()
      child = undefined
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await log.close()
    },
  }
  server.launch()
  const limit = now() + readyWithinMs
  while (child?.running() && now() < limit) {
    if (await answers(plan)) return server
    await sleep(10)
  }
  await server[Symbol.asyncDispose]()
  throw new Error(
    `${plan.who} did not start: ${plan.command} ${plan.args.join(' ')}\n${(await readFile(plan.log, 'utf8')).slice(-3_000)}`,
  )
}

function spawnServer({ command, args, cwd }: ServerPlan, output: number) {
  const child = spawn(command, args, { cwd, env: serverEnvironment(), stdio: ['ignore', output, output], detached: true })
  const gone = once(child, 'exit').catch(() => undefined)
  const end = (): void => {
    if (child.pid !== undefined) endGroup(child.pid)
  }
  process.once('exit', end)
  return {
    pid: child.pid,
    running: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(end, endWithinMs)
      if (child.pid !== undefined) await gone
      clearTimeout(timer)
      end()
      process.off('exit', end)
    },
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** No proxy variables and no settings of the tester's own; where Debian keeps its daemons, too. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH = '/usr/bin:/bin', HOME, TMPDIR } = process.env
  return { PATH: `${PATH}:/usr/sbin:/sbin`, HOME, TMPDIR, LANG: 'C.UTF-8' }
}

async function answers({ port, readyPath }: ServerPlan): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${readyPath}`, { signal: AbortSignal.timeout(2_000) })
    await answer.body?.cancel()
    return answer.status === 200
  } catch {
    return false
  }
}

/** A loopback TCP port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  return address.port
}
