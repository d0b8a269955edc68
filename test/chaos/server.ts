import { join } from 'node:path'
import { childrenOf } from '../kit/children.ts'
import { type HouseProcess, startHouseProcess } from '../kit/house-process.ts'
import type { HouseSettings } from '../kit/settings.ts'
import { type Control, calm, names, writeControl } from './control.ts'
import type { Problems } from './problems.ts'
import type { Tally } from './tally.ts'

/** Forebay, one life after the other on the same store. */
export interface Server extends AsyncDisposable {
  /** Undefined while it is down. */
  readonly house: HouseProcess | undefined
  readonly life: number
  readonly diedAt: number // ms, `performance.now()`: it, or one of its workers, last
  readonly control: Control
  /** From now on its disk and its clock are so. */
  set(control: Partial<Control>): void
  /** @throws Error with what it printed, where it does not start on a disk that is well */
  start(settings?: Partial<HouseSettings>): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGKILL to one of its children; false where it has none. */
  killWorker(pick: (of: readonly number[]) => number): Promise<boolean>
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | undefined>
  /** All that it printed, all its lives. */
  output(): string
  readonly toldFile: string
}

export interface ServerDeps {
  readonly settings: HouseSettings
  readonly folder: string // for what is said to it and told of it
  readonly seed: number
  readonly workers: number | undefined
  readonly faults: Tally
  readonly problems: Problems
  /** What keeps it from starting is over. */
  readonly relieve: () => void
}

const shim = new URL('./shim.ts', import.meta.url).href
const startsOnBadDisk = 3

export function createServer({ settings, folder, seed, workers, faults, problems, relieve }: ServerDeps): Server {
  const controlFile = join(folder, 'control.json')
  const toldFile = join(folder, 'told.jsonl')
  const printed: string[] = []
  let control = calm
  let house: HouseProcess | undefined
  let life = 0
  let diedAt = Number.NEGATIVE_INFINITY
  writeControl(controlFile, control)
  const reap = () => house && process.kill(house.pid, 'SIGKILL')
  process.once('exit', reap) // when a signal ends this one

  function set(next: Partial<Control>): void {
    control = { ...control, ...next }
    writeControl(controlFile, control)
  }

  function begin(more: Partial<HouseSettings>): Promise<HouseProcess> {
    life++
    return startHouseProcess({
      ...settings,
      ...more,
      args: workers === undefined ? [] : ['--workers', String(workers)],
      env: {
        NODE_OPTIONS: `--import=${shim} --max-semi-space-size=16`, // as `npm start` has it
        [names.control]: controlFile,
        [names.told]: toldFile,
        [names.store]: settings.storePath!,
        [names.seed]: `${seed} life ${life}`,
      },
    })
  }

  /** A disk may be too bad to start on; one that is well is none. */
  async function start(more: Partial<HouseSettings> = {}): Promise<void> {
    for (let failed = 0; ; failed++) {
      try {
        const started = await begin(more)
        house = started
        void started.ended.then((code) => {
          if (house === started) problems.add('the server ended by itself', `with ${code}: ${started.output().slice(-2000)}`)
        })
        return
      } catch (error) {
        if (failed === startsOnBadDisk) throw error
        printed.push((error as Error).message)
        faults.add('disk: too bad to start on')
        if (failed + 1 < startsOnBadDisk) continue
        set({ ...calm, clockBy: control.clockBy })
        relieve()
      }
    }
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | undefined> {
    const ending = house
    house = undefined
    if (!ending) return undefined
    diedAt = performance.now()
    const code = await ending.kill(signal)
    printed.push(ending.output())
    await ending.stop()
    return code
  }

  return {
    get house() {
      return house
    },
    get life() {
      return life
    },
    get diedAt() {
      return diedAt
    },
    get control() {
      return control
    },
    set,
    start,
    async kill() {
      await end('SIGKILL')
    },
    async killWorker(pick) {
      const children = house ? await childrenOf(house.pid) : []
      if (children.length === 0) return false
      diedAt = performance.now()
      process.kill(pick(children), 'SIGKILL')
      return true
    },
    stop: () => end('SIGTERM'),
    output: () => [...printed, house?.output() ?? ''].join('\n'),
    toldFile,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      process.off('exit', reap)
    },
  }
}
