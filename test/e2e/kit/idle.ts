import { readdir, readFile } from 'node:fs/promises'
import { until } from '../../kit/disk.ts'

/** Settles once every thread of a process sleeps: what it had to do about all that was asked before, it has done. */
export async function untilIdle(pid: number): Promise<void> {
  let before: string | undefined
  const isIdle = async () => {
    const threads = await threadsOf(pid)
    const now = threads.join('\n')
    // None has run between two looks, as each counts how often it went to sleep.
    const hasRested = now === before && threads.every((thread) => thread.startsWith('State:\tS'))
    before = now
    return hasRested
  }
  await until(isIdle, `process ${pid} at rest`, 60_000)
}

async function threadsOf(pid: number): Promise<readonly string[]> {
  const folder = `/proc/${pid}/task`
  const states = (await readdir(folder)).map((thread) => readFile(`${folder}/${thread}/status`, 'utf8').catch(() => 'gone'))
  return (await Promise.all(states)).map((text) => (text.match(/^(?:State|\w*ctxt_switches):.*$/gm) ?? [text]).join(' '))
}
