import { readFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tools } from '../servers/tools.ts'

/** What one must know of a machine to read its figures. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly peers: Tools
  /** Share of all cores that others used while the bench was still idle: 0 is a quiet machine. */
  readonly othersBusy: number
  readonly load: readonly number[] // of the last 1, 5 and 15 minutes
}

export async function describeMachine(peers: Tools): Promise<Machine> {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    peers,
    othersBusy: await busyShare(1_000),
    load: loadavg(),
  }
}

/** Share of all cores that was busy or stolen during so many milliseconds; call it while the bench itself is idle. */
export async function busyShare(ms: number): Promise<number> {
  const before = await processorTicks()
  await sleep(ms)
  const after = await processorTicks()
  const total = after.total - before.total
  return total === 0 ? 0 : 1 - (after.idle - before.idle) / total
}

// The first line of /proc/stat: user nice system idle iowait irq softirq steal.
async function processorTicks(): Promise<{ total: number; idle: number }> {
  const line = (await readFile('/proc/stat', 'utf8')).split('\n', 1)[0]!
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  return { total: ticks.reduce((sum, value) => sum + value, 0), idle: ticks[3]! + ticks[4]! }
}
