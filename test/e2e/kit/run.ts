import { spawn } from 'node:child_process'

export interface RunOptions {
  /** Added to a small one: PATH, TMPDIR, where caches are, a UTF-8 locale. Proxies and the tester's own HOME are left out. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** The whole process group is ended after this long. Two minutes if not said. */
  readonly timeoutMs?: number
}

export interface Finished {
  /** 124 when the time ran out, 128 when a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end; a non-zero exit is an answer, not an error. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: childEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  let late = false
  const timer = setTimeout(() => {
    late = true
    signalGroup(child.pid, 'SIGKILL')
  }, options.timeoutMs ?? 120_000)
  child.once('error', (error) => {
    clearTimeout(timer)
    reject(error)
  })
  child.once('close', (code) => {
    clearTimeout(timer)
    const words = Buffer.concat(stderr).toString()
    resolve({
      code: late ? 124 : (code ?? 128),
      stdout: Buffer.concat(stdout).toString(),
      stderr: late ? `${words}\n(stopped: out of time)` : words,
    })
  })
  return promise
}

/** Runs a command that must exit with 0; returns its output, throws with all it said otherwise. */
export async function succeed(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code === 0) return stdout
  throw new Error(`exit ${code}: ${command} ${args.join(' ')}\n${stderr}\n${stdout}`.slice(0, 8_000))
}

export function childEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = ['TMPDIR', 'FOREBAY_E2E_CACHE', 'NODE_COMPILE_CACHE'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return { PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`, LANG: 'C.UTF-8', ...Object.fromEntries(own), ...extra }
}

/** Signals a process that was started as the leader of its own group, with all it started; nothing if it is gone. */
export function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
