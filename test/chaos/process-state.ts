import { readFile } from 'node:fs/promises'
import { sep } from 'node:path'
import { childrenOf, openOf } from '../kit/children.ts'

/** What a server and its workers have at the moment. */
export interface ProcessState {
  readonly processes: number
  readonly rss: number // bytes
  readonly sockets: number
  /** Open files below the folder, less blobs, which are kept open for the next reader. */
  readonly files: readonly string[]
  readonly blobs: number // open
}

export async function stateOf(pid: number, store: string): Promise<ProcessState> {
  const pids = [pid, ...(await childrenOf(pid))]
  const links = (await Promise.all(pids.map(openOf))).flat()
  const kept = links.filter((link) => link.startsWith(store + sep))
  const isBlob = (link: string) => /\/blobs\/sha256\/[0-9a-f]{2}\/[0-9a-f]{64}$/.test(link)
  return {
    processes: pids.length,
    rss: (await Promise.all(pids.map(rssOf))).reduce((sum, rss) => sum + rss, 0),
    sockets: links.filter((link) => link.startsWith('socket:')).length,
    files: kept.filter((link) => !isBlob(link)).sort(),
    blobs: kept.filter(isBlob).length,
  }
}

async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
