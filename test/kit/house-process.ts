import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ask } from './ask.ts'
import { type Running, readMetric } from './house.ts'
import { deadPort } from './ports.ts'
import { type HouseSettings, writeSettings } from './settings.ts'

/** A house as an operator runs it: a process of its own. */
export interface HouseProcess extends Running {
  readonly pid: number
  readonly settingsFile: string
  /** All it has written to standard output and standard error. */
  output(): string
  /** Settles with the exit code once it is gone, whoever ended it; undefined when a signal did. */
  readonly ended: Promise<number | undefined>
  /** Sends the signal and settles with the exit code once it is gone; undefined when the signal ended it. */
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<number | undefined>
  /** Writes these settings, or that text, and tells it to read them. */
  reload(settings: HouseSettings | string): Promise<void>
  /** Ends it politely if it still runs. Its store is deleted, unless the test brought its own. */
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const readyWithinMs = 45_000
const endsWithinMs = 30_000

export interface ProcessSettings extends HouseSettings {
  /** Words put before the command, such as `prlimit --fsize=…`. */
  readonly under?: readonly string[]
  readonly args?: readonly string[] // further ones of `serve`
  readonly port?: number // where `more` says where it listens: that of the first listener, which is a plain one
}

/** Rejects with what it printed when it ends before it is ready. */
export async function startHouseProcess({
  under = [],
  args = [],
  port: wanted,
  ...settings
}: ProcessSettings): Promise<HouseProcess> {
  const port = wanted ?? (await deadPort())
  const written = await writeSettings(settings, port)
  const [program, ...words] = [...under, process.execPath, main, 'serve', '--config', written.file, ...args]
  const child = spawn(program!, words, { env: environment(settings.env), stdio: ['ignore', 'pipe', 'pipe'] })
  const printed: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => printed.push(chunk))
  const output = () => Buffer.concat(printed).toString()
  const gone = once(child, 'close').then(([code]) => (code ?? undefined) as number | undefined)
  const url = `http://127.0.0.1:${port}`
  let isGone = false
  void gone.then(() => (isGone = true))

  async function kill(signal: NodeJS.Signals): Promise<number | undefined> {
    child.kill(signal)
    return gone
  }

  async function stop(): Promise<void> {
    const late = setTimeout(() => child.kill('SIGKILL'), endsWithinMs)
    if (!isGone) await kill('SIGTERM')
    clearTimeout(late)
    await written.remove()
  }

  async function untilReady(): Promise<void> {
    for (const end = Date.now() + readyWithinMs; ; await new Promise((go) => setTimeout(go, 25))) {
      if (isGone) throw new Error(`the house ended with ${await gone}:\n${output()}`)
      if (Date.now() > end) throw new Error(`the house was not ready within ${readyWithinMs} ms:\n${output()}`)
      const reply = await ask(`${url}/readyz`).catch(() => undefined)
      if (reply?.status === 200) return
    }
  }

  try {
    await untilReady()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    pid: child.pid!,
    settingsFile: written.file,
    url,
    host: new URL(url).host,
    storePath: written.storePath,
    metric: (name, labels) => readMetric(url, name, labels),
    output,
    ended: gone,
    kill,
    async reload(next) {
      await (typeof next === 'string' ? writeFile(written.file, next) : written.rewrite(next))
      child.kill('SIGHUP')
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Ours, but for what would change what the house does. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(?:https?|no)_proxy$|^NODE_OPTIONS$|^FOREBAY_|^VITEST/i.test(name),
  )
  return { ...Object.fromEntries(own), ...more }
}
