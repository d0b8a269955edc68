import { readFile } from 'node:fs/promises'
import type { Told } from './control.ts'
import type { Problems } from './problems.ts'
import type { Tally } from './tally.ts'

/** What became of blobs, as the server did it. */
export interface History {
  readonly committed: number
  readonly committedBytes: number
  readonly evicted: number
  readonly quarantined: number
  /** Those that were committed, and never went. */
  readonly standing: ReadonlySet<string>
}

/** Counts what the shim made of the disk among the faults, and complains of blobs that went for no reason. */
export async function readHistory(
  toldFile: string,
  sizeOf: (digest: string) => number,
  { faults, problems }: { readonly faults: Tally; readonly problems: Problems },
): Promise<History> {
  const counts = { committed: 0, committedBytes: 0, evicted: 0, quarantined: 0 }
  const standing = new Set<string>()
  const lines = await readFile(toldFile, 'utf8').catch(() => '')
  for (const line of lines.split('\n')) {
    const told = parseLine(line)
    if (told === undefined) continue
    if (told.what === 'fault') {
      faults.add(told.kind)
      continue
    }
    if (told.what === 'removed') problems.add('a blob was removed for no reason', `${told.digest} ${told.stack}`)
    else counts[told.what]++
    if (told.what === 'committed') {
      counts.committedBytes += sizeOf(told.digest)
      standing.add(told.digest)
    } else standing.delete(told.digest)
  }
  return { ...counts, standing }
}

/** The last line of a life that was ended may be a part of one. */
function parseLine(line: string): Told | undefined {
  try {
    return JSON.parse(line) as Told
  } catch {
    return undefined
  }
}
