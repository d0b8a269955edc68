import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** How a command ended, and all that it said. */
export interface Ended {
  readonly code: number | undefined // undefined when a signal ended it
  readonly stdout: Buffer
  readonly text: string // standard output
  readonly stderr: string
}

export interface Command {
  readonly ended: Promise<Ended>
  kill(signal: NodeJS.Signals): void
  /** Stops listening to what it prints, as `head` does. */
  hangUp(): void
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts `forebay …` as somebody would type it: a process of its own. */
export function startCommand(words: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string): Command {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(?:https?|no)_proxy$|^NODE_OPTIONS$|^FOREBAY_|^VITEST/i.test(name),
  )
  const child = spawn(process.execPath, [main, ...words], {
    env: { ...Object.fromEntries(own), ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  child.stdout.on('data', (chunk: Buffer) => said.stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => said.stderr.push(chunk))
  const ended = once(child, 'close').then(([code]) => {
    const stdout = Buffer.concat(said.stdout)
    return { code: code ?? undefined, stdout, text: stdout.toString(), stderr: Buffer.concat(said.stderr).toString() }
  })
  return { ended, kill: (signal) => void child.kill(signal), hangUp: () => void child.stdout.destroy() }
}
