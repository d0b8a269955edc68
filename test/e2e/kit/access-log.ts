import { readFile } from 'node:fs/promises'

/** One answered request, as an upstream wrote it down. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly status: number
  /** Body bytes sent, also when the transfer was cut. */
  readonly bytes: number
  /** The Range field, where the log has it. */
  readonly range?: string
  /** The client, where the log has it. */
  readonly agent?: string
}

export interface AccessLog {
  /** What was asked since the last `forget`, complete up to this moment. */
  asked(): Promise<readonly Asked[]>
  forget(): Promise<void>
}

/** Reads a log that a server appends to. `settled`: everything that it has answered is written down. */
export function accessLog(file: string, parse: (line: string) => Asked | undefined, settled: () => Promise<void>): AccessLog {
  let from = 0
  const lines = async (): Promise<string[]> => {
    await settled()
    return (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  }

  return {
    async asked() {
      const known = (await lines()).slice(from).map(parse)
      return known.filter((line) => line !== undefined)
    },
    async forget() {
      from = (await lines()).length
    },
  }
}

/** How many GETs (or other requests) named this digest as a blob and were answered with a body. */
export function blobRequests(asked: readonly Asked[], digest: string, method = 'GET'): number {
  return asked.filter((one) => one.method === method && one.path.includes(`/blobs/${digest}`) && one.status < 300).length
}

export function blobBytes(asked: readonly Asked[], digest: string): number {
  return asked
    .filter((one) => one.method === 'GET' && one.path.includes(`/blobs/${digest}`))
    .reduce((sum, one) => sum + one.bytes, 0)
}

/** `127.0.0.1 - - [date] "GET /v2/ HTTP/1.1" 200 2 "" "agent"` */
export function parseCombined(line: string): Asked | undefined {
  const found = /"([A-Z]+) (\S+) HTTP\/[\d.]+" (\d{3}) (\d+|-)/.exec(line)
  if (found === null) return undefined
  const [, method = '', path = '', status, bytes] = found
  return { method, path, status: Number(status), bytes: Number(bytes) || 0 }
}
