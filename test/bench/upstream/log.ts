import { now } from '../now.ts'

/** One request as the upstream saw it. Times are monotonic milliseconds. */
export interface Entry {
  readonly method: string
  readonly path: string
  readonly port: number // where it was asked
  readonly startedAt: number
  firstByteAt?: number // when the first byte of the body was handed to the kernel
  lastByteAt?: number // when the kernel had taken the last one
  endedAt?: number
  sentBytes: number // of the body, that the kernel has taken
}

export interface UpstreamLog {
  begin(method: string, path: string, port: number): Entry
  /** All entries since the last time this was asked. */
  take(): Entry[]
}

export function createUpstreamLog(): UpstreamLog {
  let entries: Entry[] = []
  return {
    begin(method, path, port) {
      const entry: Entry = { method, path, port, startedAt: now(), sentBytes: 0 }
      entries.push(entry)
      return entry
    },
    take() {
      const taken = entries
      entries = []
      return taken
    },
  }
}
