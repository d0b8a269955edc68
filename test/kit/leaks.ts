import { readdir, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect } from 'vitest'

/** What a process holds open, by kind. */
export interface Holdings {
  readonly files: readonly string[] // paths of open regular files, deleted ones included
  readonly sockets: number
  readonly resources: Readonly<Record<string, number>> // as Node counts what keeps it alive
}

const watched = new Set([
  'TCPSocketWrap',
  'TCPServerWrap',
  'PipeWrap',
  'Timeout',
  'Worker',
  'MessagePort',
  'FSReqPromise',
  'ProcessWrap',
])
const graceMs = 15_000

export async function holdings(): Promise<Holdings> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) if (watched.has(name)) resources[name] = (resources[name] ?? 0) + 1
  return {
    files: links.filter((link) => link.startsWith('/') && !link.startsWith('/dev/') && !link.startsWith('/proc/')).sort(),
    sockets: links.filter((link) => link.startsWith('socket:')).length,
    resources,
  }
}

/** What is held now and was not held before; empty when nothing leaked. */
export function leaked(before: Holdings, now: Holdings): readonly string[] {
  const had = [...before.files]
  const files = now.files.filter((file) => {
    const at = had.indexOf(file)
    if (at >= 0) had.splice(at, 1)
    return at < 0
  })
  const resources = Object.entries(now.resources).filter(([name, count]) => count > (before.resources[name] ?? 0))
  return [
    ...files.map((file) => `file ${file}`),
    ...(now.sockets > before.sockets ? [`${now.sockets - before.sockets} sockets`] : []),
    ...resources.map(([name, count]) => `${count - (before.resources[name] ?? 0)} × ${name}`),
  ]
}

/** Fails the test file that calls it when sockets, files, timers or workers are left at its end. */
export function expectNoLeaks(): void {
  let before: Holdings
  beforeAll(async () => {
    before = await holdings()
  })
  afterAll(async () => {
    let left = leaked(before, await holdings())
    // Closing takes a turn or two of the kernel and of worker threads.
    for (const until = Date.now() + graceMs; left.length > 0 && Date.now() < until; ) {
      await sleep(50)
      left = leaked(before, await holdings())
    }
    expect(left, 'left open at the end of the file').toEqual([])
  })
}
