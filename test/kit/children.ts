import { readdir, readFile, readlink } from 'node:fs/promises'

/** The processes that `pid` started and that run now; none where it is gone. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => [])
  const texts = tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => ''))
  return (await Promise.all(texts)).flatMap((text) => text.split(' ').filter(Boolean).map(Number))
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** What it has open, as /proc prints it: paths, `socket:[…]`. */
export async function openOf(pid: number): Promise<readonly string[]> {
  const fds = await readdir(`/proc/${pid}/fd`)
  return Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
}
