import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { childrenOf, isRunning } from './children.ts'
import { until } from './disk.ts'
import { createFakeUpstream, type FakeUpstream } from './fake-upstream.ts'
import type { HouseSettings } from './house.ts'
import { type HouseProcess, type ProcessSettings, startHouseProcess } from './house-process.ts'
import { type TempFolder, tempFolder } from './temp-folder.ts'
import { lab } from './world.ts'

export const workerCount = 2

/** A house whose clients are spoken to by processes of their own, before an upstream. */
export interface WorkersWorld extends AsyncDisposable {
  readonly upstream: FakeUpstream
  readonly folder: TempFolder // the store
  /** The one that was started last. */
  readonly house: HouseProcess
  settings(more?: HouseSettings['more']): HouseSettings
  start(more?: HouseSettings['more'], rest?: Partial<ProcessSettings>): Promise<HouseProcess>
  /** Of those that speak to clients. */
  pids(): Promise<readonly number[]>
  /** How many answer now, or are about to. */
  answering(): Promise<number>
  killOne(): Promise<number>
  /** Settles once that is in its log. */
  logged(event: string): Promise<void>
  /** A file of users, as the settings name it. */
  users(name: string): Promise<{ readonly file: string }>
}

export async function createWorkersWorld(): Promise<WorkersWorld> {
  const upstream = await createFakeUpstream()
  const folder = await tempFolder()
  let house: HouseProcess | undefined

  const settings = (more: HouseSettings['more'] = {}): HouseSettings => ({
    upstreams: { [lab]: { url: upstream.url, freshFor: '1h' } },
    defaults: { oci: lab },
    storePath: folder.path,
    more,
  })
  const pids = () => childrenOf(house!.pid)

  async function answering(): Promise<number> {
    const replies = await Promise.all(Array.from({ length: 2 * workerCount }, () => ask(`${house!.url}/v2/`)))
    return new Set(replies.map(workerOf)).size
  }

  return {
    upstream,
    folder,
    get house() {
      return house!
    },
    settings,
    async start(more = {}, rest = {}) {
      house = await startHouseProcess({ ...settings(more), args: ['--workers', String(workerCount)], ...rest })
      // Where limits are of one client, one process answers it.
      if (!more.limits) await until(async () => (await answering()) === workerCount, 'all of them answer')
      return house
    },
    pids,
    answering,
    async killOne() {
      const [first] = await pids()
      process.kill(first!, 'SIGKILL')
      await until(() => !isRunning(first!), 'it is gone')
      return first!
    },
    logged: (event) => until(() => house!.output().includes(`"event":"${event}"`), event),
    async users(name) {
      const file = join(folder.path, name)
      await writeFile(file, 'alice:$2y$05$abcdefghijklmnopqrstuuu0Zr1l4TSrGnCNM6Vv5VfBBwfcRCbPi\n')
      return { file }
    },
    async [Symbol.asyncDispose]() {
      await house?.stop()
      await upstream.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** The process that answered, by its own part of a request's id. */
export function workerOf({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): string | undefined {
  return String(headers['x-request-id']).split('-')[0]
}
