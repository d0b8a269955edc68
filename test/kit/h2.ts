import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import { trustedAuthorities } from './tls.ts'

/** An answer over HTTP/2, as the wire gave it. */
export interface H2Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The values of each field of that name, one for each line of the wire. */
  lines(name: string): readonly string[]
  readonly body: Buffer
  /** `clean`: the server said that this was all. `cut`: it said that it was not, or nothing. */
  readonly end: 'clean' | 'cut'
  readonly sha256: string
}

export interface H2Options {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One connection. */
export interface H2Client extends AsyncDisposable {
  readonly session: ClientHttp2Session
  ask(path: string, options?: H2Options): Promise<H2Reply>
  /** A stream whose answer is not read. */
  begin(path: string, options?: H2Options): ClientHttp2Stream
  /** The answer on a stream that was begun. */
  read(stream: ClientHttp2Stream): Promise<H2Reply>
}

export async function connectH2(url: string, options: SecureClientSessionOptions = {}): Promise<H2Client> {
  const session = connect(url, { ca: trustedAuthorities(), ...options })
  await once(session, 'connect')
  session.on('error', () => {})
  const begin = (path: string, { method = 'GET', headers = {} }: H2Options = {}) =>
    session.request({ ':method': method, ':path': path, ...headers }).on('error', () => {})
  return {
    session,
    begin,
    read: replyOf,
    ask: (path, options) => replyOf(begin(path, options)),
    async [Symbol.asyncDispose]() {
      session.destroy()
    },
  }
}

async function replyOf(stream: ClientHttp2Stream): Promise<H2Reply> {
  const chunks: Buffer[] = []
  let headers: IncomingHttpHeaders = {}
  let raw: readonly string[] = []
  let hasEnded = false
  stream.on('response', (told, _flags, rawHeaders) => {
    headers = told
    raw = rawHeaders
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => {
    hasEnded = true
  })
  await new Promise((resolve) => stream.once('close', resolve))
  const body = Buffer.concat(chunks)
  const isClean = hasEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR
  return {
    status: Number(headers[':status'] ?? 0),
    headers,
    lines: (name) => raw.flatMap((field, at) => (at % 2 === 0 && field === name ? [raw[at + 1]!] : [])),
    body,
    end: isClean ? 'clean' : 'cut',
    sha256: `sha256:${createHash('sha256').update(body).digest('hex')}`,
  }
}
