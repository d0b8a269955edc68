import { startServer } from '../../src/boot/server.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Clock } from '../../src/system/clock.ts'
import { createLogger, type Logger } from '../../src/system/log.ts'
import { ask } from './ask.ts'
import { watchRequests } from './open-requests.ts'
import { type HouseSettings, writeSettings } from './settings.ts'

export type { HouseSettings, UpstreamSettings } from './settings.ts'

/** A running house, however it runs. */
export interface Running extends AsyncDisposable {
  readonly url: string
  readonly host: string // with port
  readonly storePath: string
  /** The sum of the series of that name that have these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
}

/** A whole house in this process. */
export interface House extends Running {
  /** Settles once so many requests are being answered at once. */
  requestsOpen(count: number): Promise<void>
  /** Has it read these settings while it runs, as SIGHUP does; the names of those that wait for a restart. */
  reload(settings: HouseSettings): Promise<readonly string[]>
  /** Its store is deleted, unless the test brought its own or wants to `keep` it until the next `stop`. */
  stop(options?: { readonly keep?: boolean }): Promise<void>
}

/** Everything real but the process: settings from a file, a listener on loopback. `clock` may be a hand-driven one. */
export async function startHouse(settings: HouseSettings, clock?: Clock, told?: Logger): Promise<House> {
  const written = await writeSettings({ ...settings, more: { drainTimeout: '1s', ...settings.more } }, 0)
  const config = loadConfig(written.file, { ...settings.env })
  const log = createLogger({ level: process.env.FOREBAY_TEST_LOG === undefined ? 'silent' : 'debug', fd: 2 })
  const workers = Number(process.env.TEST_WORKERS ?? 0)
  const server = await startServer(config, { log: told ?? log, version: '0.0.0-test', clock, workers }).catch(async (error) => {
    await written.remove()
    throw error
  })
  const url = server.urls[0]!
  const requests = watchRequests(Number(new URL(url).port))
  let isRunning = true

  async function stop({ keep = false } = {}): Promise<void> {
    if (isRunning) {
      isRunning = false
      await server.close()
      requests.end()
      log.flush()
    }
    if (!keep) await written.remove()
  }

  return {
    url,
    host: new URL(url).host,
    storePath: written.storePath,
    metric: (name, labels) => readMetric(url, name, labels),
    requestsOpen: requests.open,
    async reload(next) {
      await written.rewrite({ ...next, more: { drainTimeout: '1s', ...next.more } })
      return server.reload(loadConfig(written.file, { ...next.env }))
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}

export async function readMetric(url: string, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const { status, body } = await ask(`${url}/metrics`)
  if (status !== 200) throw new Error(`/metrics answered ${status}`)
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  let sum = 0
  for (const line of body.toString().split('\n')) {
    const [, found, inside = '', value] = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? []
    if (found === name && wanted.every((pair) => inside.includes(pair))) sum += Number(value)
  }
  return sum
}
