import { connect, type Socket } from 'node:net'

/** An answer of HTTP/1.1 to a head that was sent as it is. */
export interface RawReply {
  readonly status: number // 0: the connection was closed without a word
  readonly headers: ReadonlyMap<string, string> // names in lower case
  readonly body: Buffer // as it was before it was chunked
}

/** One kept connection; a new one after each that was closed. */
export interface RawClient extends Disposable {
  /** @throws where the answer is none, breaks off, is followed by what nobody asked for, or does not come in time */
  ask(method: string, bytes: string): Promise<RawReply>
}

const patienceMs = 20_000

export function createRawClient(host: string): RawClient {
  const { hostname, port } = new URL(`http://${host}`)
  let open: Socket | undefined
  let left: Buffer = Buffer.alloc(0)
  let isOver = false
  let wake: (() => void) | undefined

  function begin(): Socket {
    const socket = connect({ port: Number(port), host: hostname, noDelay: true })
    left = Buffer.alloc(0)
    isOver = false
    socket.on('data', (chunk: Buffer) => {
      if (open !== socket) return
      left = left.length === 0 ? chunk : Buffer.concat([left, chunk])
      wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (open !== socket) return
      open = undefined
      isOver = true
      wake?.()
    })
    return socket
  }

  /** Waits until that is there, or the end of the connection. */
  async function until<T>(find: () => T | undefined): Promise<T | undefined> {
    for (const end = Date.now() + patienceMs; ; ) {
      const found = find()
      if (found !== undefined || isOver) return found
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer in ${patienceMs} ms`)), Math.max(0, end - Date.now()))
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  function take(count: number): Buffer | undefined {
    if (left.length < count) return undefined
    const taken = left.subarray(0, count)
    left = left.subarray(count)
    return taken
  }

  function takeLine(): string | undefined {
    const end = left.indexOf('\r\n')
    return end < 0 ? undefined : take(end + 2)!.toString('latin1', 0, end)
  }

  async function chunked(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (;;) {
      const line = await until(takeLine)
      if (line === undefined || !/^[0-9a-f]+$/i.test(line)) throw new Error(`a chunk begins with ${JSON.stringify(line)}`)
      const chunk = await until(() => take(Number.parseInt(line, 16) + 2))
      if (chunk === undefined) throw new Error('it breaks off within a chunk')
      if (chunk.length === 2) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, -2))
    }
  }

  async function bodyOf(method: string, status: number, headers: ReadonlyMap<string, string>): Promise<Buffer> {
    if (method === 'HEAD' || status === 204 || status === 304) return Buffer.alloc(0)
    if (headers.get('transfer-encoding') === 'chunked') return chunked()
    const length = headers.get('content-length')
    const body = length === undefined ? ((await until(() => undefined)) ?? left) : await until(() => take(Number(length)))
    if (body === undefined) throw new Error(`it breaks off: ${left.length} of ${length} bytes`)
    return body
  }

  return {
    async ask(method, bytes) {
      if (left.length > 0) throw new Error(`bytes that nobody asked for: ${JSON.stringify(left.toString('latin1', 0, 100))}`)
      open ??= begin()
      open.write(Buffer.from(bytes, 'latin1'))
      const head = await until(() => {
        const end = left.indexOf('\r\n\r\n')
        return end < 0 ? undefined : take(end + 4)!.toString('latin1', 0, end)
      })
      if (head === undefined && left.length === 0) return { status: 0, headers: new Map(), body: Buffer.alloc(0) }
      const [first = '', ...lines] = head?.split('\r\n') ?? []
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
      if (!status) throw new Error(`the answer begins with ${JSON.stringify(first.slice(0, 100))}`)
      const headers = new Map(
        lines.map((line): [string, string] => {
          const colon = line.indexOf(':')
          // biome-ignore lint/suspicious/noControlCharactersInRegex: no field may have them
          if (colon < 1 || /[\0-\x08\x0a-\x1f\x7f]/.test(line)) throw new Error(`a field is ${JSON.stringify(line)}`)
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
        }),
      )
      const body = await bodyOf(method, status, headers)
      if (headers.get('connection') === 'close') {
        open?.destroy()
        open = undefined
      }
      return { status, headers, body }
    },
    [Symbol.dispose]() {
      open?.destroy()
    },
  }
}
