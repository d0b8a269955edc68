import { readdir, readFile } from 'node:fs/promises'

const ticksPerSecond = 100 // USER_HZ, which Linux tells processes whatever it uses itself

/** Seconds of processor time that a process and all it has started have used, in user and system mode. @see proc(5) */
export async function cpuTime(pid: number): Promise<number> {
  const pids = [pid, ...(await descendants(pid))]
  const ticks = await Promise.all(pids.map(ticksOf))
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond
}

async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

async function descendants(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const texts = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')))
  const children = texts.flatMap((text) => text.split(' ').filter(Boolean).map(Number))
  return [...children, ...(await Promise.all(children.map(descendants))).flat()]
}
