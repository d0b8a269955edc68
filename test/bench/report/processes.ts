import { readdir, readFile } from 'node:fs/promises'

const ticksPerSecond = 100 // USER_HZ: the same on every Linux that Node runs on
const pageKiB = 4

/** Processor seconds that a process and all its descendants have used so far. */
export async function cpuSeconds(pid: number): Promise<number> {
  let ticks = 0
  for (const member of await family(pid)) {
    const fields = await statOf(member)
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / ticksPerSecond
}

/** Memory of a process and all its descendants that is resident now, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  let pages = 0
  for (const member of await family(pid)) pages += Number((await statOf(member))[21] ?? 0)
  return (pages * pageKiB) / 1024
}

// The fields of /proc/PID/stat from the state on; the command before them may contain anything (proc(5)).
async function statOf(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

async function family(pid: number): Promise<number[]> {
  const members = [pid]
  for (const member of members) {
    const tasks = await readdir(`/proc/${member}/task`).catch(() => [])
    for (const task of tasks) {
      const children = await readFile(`/proc/${member}/task/${task}/children`, 'utf8').catch(() => '')
      members.push(...children.split(' ').filter(Boolean).map(Number))
    }
  }
  return members
}
