import { createHash } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { trustedAuthorities } from './tls.ts'

/** An answer as the wire gave it: nothing decoded, nothing followed, nothing retried. */
export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** `clean`: as long as it said it would be, or properly ended. `cut`: the connection broke off. */
  readonly end: 'clean' | 'cut'
  readonly sha256: string // of the body, as a digest
  readonly firstByteMs: number // since the request, to the headers
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly signal?: AbortSignal
  readonly body?: string
  readonly tls?: ConnectionOptions // for https; the authorities of these tests are trusted
  readonly from?: string // an address of this machine
}

/** A reply whose body is read as a test likes. */
export interface OpenReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** Settles once at least `bytes` of the body have come in all, or it ended; returns what came so far. */
  atLeast(bytes: number): Promise<Buffer>
  /** Reads no further until `rest`; what the kernel holds stays there. */
  pause(): void
  rest(): Promise<Pick<Reply, 'body' | 'end' | 'sha256'>>
  /** The client goes away. */
  leave(): void
}

/** One request on a connection of its own. */
export async function ask(url: string, options: AskOptions = {}): Promise<Reply> {
  const startedAt = performance.now()
  const reply = await open(url, options)
  const firstByteMs = performance.now() - startedAt
  return { status: reply.status, headers: reply.headers, rawHeaders: reply.rawHeaders, firstByteMs, ...(await reply.rest()) }
}

/** Asks again while the answer is 502: an upstream that kept failing is left alone for a moment, well again or not. */
export async function askPatiently(url: string, ms = 30_000): Promise<Reply> {
  for (const end = Date.now() + ms; ; await new Promise((go) => setTimeout(go, 100))) {
    const reply = await ask(url)
    if (reply.status !== 502 || Date.now() > end) return reply
  }
}

/** One request, settled at the headers. */
export async function open(url: string, options: AskOptions = {}): Promise<OpenReply> {
  const message = await headersOf(url, options)
  const chunks: Buffer[] = []
  let bytes = 0
  let waiting: (() => void)[] = []
  const changed = () => {
    const woken = waiting
    waiting = []
    for (const go of woken) go()
  }
  const end = new Promise<'clean' | 'cut'>((resolve) => {
    message.once('end', () => resolve('clean'))
    message.once('error', () => resolve('cut'))
    message.once('close', () => resolve(message.complete ? 'clean' : 'cut'))
  })
  let isOver = false
  const over = end.then(() => {
    isOver = true
    changed()
  })
  message.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    changed()
  })
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    rawHeaders: message.rawHeaders,
    async atLeast(wanted) {
      while (bytes < wanted && !isOver) await new Promise<void>((go) => waiting.push(go))
      return Buffer.concat(chunks)
    },
    pause: () => void message.pause(),
    async rest() {
      message.resume()
      await over
      const body = Buffer.concat(chunks)
      return { body, end: await end, sha256: `sha256:${createHash('sha256').update(body).digest('hex')}` }
    },
    leave: () => void message.destroy(),
  }
}

/** Reads a body without keeping it: for many and large ones. */
export async function askHashed(
  url: string,
  options: AskOptions = {},
): Promise<Omit<Reply, 'body' | 'firstByteMs'> & { readonly size: number }> {
  const message = await headersOf(url, options)
  const hash = createHash('sha256')
  let size = 0
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      hash.update(chunk)
      size += chunk.length
    }
  } catch (error) {
    if (message.complete) throw error
  }
  const { headers, rawHeaders, statusCode: status = 0 } = message
  return { status, headers, rawHeaders, size, end: message.complete ? 'clean' : 'cut', sha256: `sha256:${hash.digest('hex')}` }
}

function headersOf(url: string, { method = 'GET', headers = {}, signal, body, tls, from }: AskOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal, agent: false as const, localAddress: from }
    const request = url.startsWith('https:')
      ? httpsRequest(url, { ...options, ca: trustedAuthorities(), ...tls }, resolve)
      : httpRequest(url, options, resolve)
    request.once('error', reject)
    request.end(body)
  })
}

const hangUps = new Set(['ECONNRESET', 'EPIPE']) // which of them depends on what came first

/** Sends bytes as they are and returns all that comes back until the server closes, or `ms` passed without a byte. */
export function askRaw(host: string, bytes: string | Buffer, ms = 30_000): Promise<string> {
  const { hostname, port } = new URL(`http://${host}`)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname)
    socket.setTimeout(ms, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('error', (error: NodeJS.ErrnoException) => (hangUps.has(error.code ?? '') ? undefined : reject(error)))
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.write(bytes)
  })
}

/** Error codes of an OCI error body; empty where the body is none. */
export function errorCodes({ body }: Pick<Reply, 'body'>): readonly string[] {
  try {
    const { errors } = JSON.parse(body.toString()) as { errors: readonly { code: string }[] }
    return errors.map(({ code }) => code)
  } catch {
    return []
  }
}
