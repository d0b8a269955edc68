import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import type { Keeping, Target } from '../catalog/catalog.ts'
import { Fault, type FaultCode, type FaultDetails, remedies } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { openSocketPath } from '../system/socket-path.ts'

/** The verbs of a running server. Whoever opens it disposes it. */
export interface RemoteCatalog extends Disposable {
  readonly catalog: Keeping
}

const maxAnswer = 256 * 1024 * 1024 // bytes; a list of a hundred thousand images has a tenth of it

/**
 * The server that listens on that socket; undefined when none is running.
 *
 * @throws Fault 'disk-failed' when the socket is there and may not be used
 */
export async function connectRemoteCatalog(socketPath: string): Promise<RemoteCatalog | undefined> {
  if (!existsSync(socketPath)) return undefined
  const address = openSocketPath(socketPath)
  if (!(await isListening(address.path, socketPath))) {
    address[Symbol.dispose]()
    return undefined
  }
  const call = createCall(address.path, `the server behind ${socketPath}`)
  return {
    catalog: {
      images: (pattern) => call('GET', 'images', pattern === undefined ? {} : { pattern }),
      inspect: (what) => call('GET', 'inspect', what),
      get: (what, ask) => call('POST', 'get', what, ask),
      getFiles: (what, ask) =>
        'url' in what ? call('POST', 'get-files', what, ask) : call('POST', 'get-files', { from: what.from }, ask, what.bytes),
      remove: (what) => call('POST', 'rm', what),
      verify: (what, ask) => call('POST', 'verify', what, ask),
      gc: () => call('POST', 'gc'),
      pin: async (what) => (await call<{ isNew: boolean }>('POST', 'pin', what)).isNew,
      unpin: async (what) => (await call<{ wasPinned: boolean }>('POST', 'unpin', what)).wasPinned,
      metalink: (what, { sign, ...options }, ask) =>
        call('GET', 'metalink', { ...what, ...options, ...(sign ? { sign: 'true' } : {}) }, ask),
      mirrors: () => call('GET', 'mirrors'),
    },
    [Symbol.dispose]: () => address[Symbol.dispose](),
  }
}

async function isListening(address: string, name: string): Promise<boolean> {
  const socket = connect(address)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false // left behind by a server that was killed, or just gone
    throw new Fault('disk-failed', { path: name, why: message }, { cause: error })
  } finally {
    socket.destroy()
  }
}

type Query =
  | (Target & { readonly platform?: string; readonly sign?: 'true' })
  | { readonly pattern?: string }
  | { readonly url: string }
  | { readonly from: string }

function createCall(socketPath: string, server: string) {
  async function exchange(
    method: string,
    path: string,
    ask: Ask | undefined,
    sent: Uint8Array | undefined,
  ): Promise<{ status: number; body: string }> {
    const headers = {
      ...(ask ? { 'x-request-id': ask.requestId } : {}),
      ...(sent ? { 'content-length': String(sent.length) } : {}),
    }
    const outgoing = request({ socketPath, method, path, headers, signal: ask?.signal, agent: false })
    outgoing.on('error', () => {}) // also raised once the answer has begun, which then fails to be read
    try {
      const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
      outgoing.end(sent)
      const [answer] = await answered
      return { status: answer.statusCode ?? 0, body: await collect(answer) }
    } catch (error) {
      if (error instanceof Fault) throw error
      if (ask?.signal.aborted) throw new Fault('cancelled', { what: 'the command' }, { cause: error })
      throw new Fault('upstream-unreachable', { url: server, why: (error as Error).message }, { cause: error })
    }
  }

  return async <Answer>(
    method: 'GET' | 'POST',
    verb: string,
    query: Query = {},
    ask?: Ask,
    sent?: Uint8Array,
  ): Promise<Answer> => {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, value)
    const { status, body } = await exchange(method, `/admin/${verb}${search.size > 0 ? `?${search}` : ''}`, ask, sent)
    const value = parse(body)
    if (status === 200 && value !== undefined) return value as Answer
    throw faultOf(value) ?? new Fault('upstream-invalid', { url: server, why: `status ${status}; is it of another version?` })
  }
}

async function collect(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAnswer) throw new Fault('too-large', { what: 'the answer of the server', limit: maxAnswer })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** The same fault the server threw; undefined for what is not one that this version knows. */
function faultOf(value: unknown): Fault | undefined {
  const error = (value as { error?: { code?: unknown; details?: unknown } } | undefined)?.error
  if (typeof error?.code !== 'string' || !Object.hasOwn(remedies, error.code)) return undefined
  if (typeof error.details !== 'object' || error.details === null) return undefined
  return new Fault(error.code as FaultCode, error.details as FaultDetails[FaultCode])
}
