import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../kit/disk.ts'
import { deadPort } from '../../kit/ports.ts'
import { answers, type Daemon, startDaemon } from './daemon.ts'
import type { WorkDir } from './work-dir.ts'

/** The server itself, run as an operator runs it: a process of its own, a settings file, a port. */
export interface Forebay extends AsyncDisposable {
  readonly address: string // host:port
  readonly url: string
  readonly store: string
  readonly log: string
  readonly settings: string
  /** SIGTERM; resolves with the exit code when it is gone. */
  stop(): Promise<number | undefined>
  /** SIGKILL, and nothing is tidied up. */
  kill(): Promise<void>
  /** Nothing is being fetched any more, not even what no client waits for. */
  settled(): Promise<void>
  /** The same settings, store and port again. */
  start(): Promise<void>
}

export interface ForebayPlan {
  /** The section of the settings file; the first is the default for OCI requests. */
  readonly upstreams: Readonly<Record<string, object>>
  readonly env?: Readonly<Record<string, string>>
  readonly name?: string
  /** Where else it listens. */
  readonly alsoAt?: readonly { readonly host: string; readonly port: number }[]
  /** Further sections of the settings file. */
  readonly more?: Readonly<Record<string, unknown>>
}

const project = join(import.meta.dirname, '..', '..', '..')

/** Starts a server with an empty store inside `work`, and waits until it says it is ready. */
export async function startForebay(work: WorkDir, plan: ForebayPlan): Promise<Forebay> {
  const folder = await work.folder(plan.name ?? 'forebay')
  const port = await deadPort()
  const url = `http://127.0.0.1:${port}`
  const store = join(folder, 'store')
  const log = join(folder, 'forebay.log')
  const settings = join(folder, 'forebay.yaml')
  const sections = {
    listen: [{ host: '127.0.0.1', port }, ...(plan.alsoAt ?? [])],
    store: { path: store },
    records: { url: `sqlite:${join(folder, 'records.db')}` },
    upstreams: plan.upstreams,
    defaults: { oci: Object.keys(plan.upstreams)[0] },
    ...plan.more,
  }
  // JSON is YAML.
  await writeFile(settings, JSON.stringify(sections, undefined, 2))

  const start = (): Promise<Daemon> =>
    startDaemon({
      command: process.execPath,
      args: ['src/launch.mjs', 'serve', '--config', settings],
      cwd: project,
      env: { ...work.env, ...plan.env },
      log,
      ready: () => answers(`${url}/readyz`, [200]),
    })
  let daemon: Daemon | undefined = await start()
  const forebay: Forebay = {
    address: `127.0.0.1:${port}`,
    url,
    store,
    log,
    settings,
    async stop() {
      const code = await daemon?.stop()
      daemon = undefined
      return code
    },
    async kill() {
      await daemon?.kill()
      daemon = undefined
    },
    async settled() {
      const metrics = async () => (await fetch(`${url}/metrics`)).text()
      await until(async () => /^transfer_fills_running 0$/m.test(await metrics()), 'nothing being fetched', 60_000)
    },
    async start() {
      daemon ??= await start()
    },
    async [Symbol.asyncDispose]() {
      await forebay.stop()
    },
  }
  return forebay
}

/** The last lines a server wrote, to be shown beside a failed test. */
export async function lastWords(forebay: Pick<Forebay, 'log'>, lines = 60): Promise<string> {
  const text = await readFile(forebay.log, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}
