import type { Serializable } from 'node:child_process'
import { Fault, type FaultCode, type FaultDetails, toFault } from '../model/fault.ts'

/** The other end of a line between two of our own processes, which is trusted as we are. */
export interface Port {
  send(message: Serializable): void
  /** Called once for each message, in the order in which they were sent. */
  receive(take: (message: unknown) => void): void
}

/** Questions and news between two processes, both ways. What is said in one turn of the loop travels as one message. */
export interface Channel {
  /**
   * Settles with what the other end answers, also after the signal has told it that nobody waits any more: what was opened
   * for us is to be let go of by us. @throws Fault of the other end, 'internal' when it is gone
   */
  call<T>(name: string, args: readonly unknown[], signal?: AbortSignal): Promise<T>
  tell(name: string, ...args: readonly unknown[]): void
  /** Tells the news, if there is any, with nothing else to be said. */
  touch(): void
  /** The other end is gone: nothing is sent any more, and who waits for an answer hears of it. */
  close(why: string): void
}

/** What can be asked of this end. */
export type Answers = Readonly<Record<string, (args: Given, signal: AbortSignal) => unknown>>
// biome-ignore lint/suspicious/noExplicitAny: the other end is this program too, and says what the question takes
export type Given = readonly any[]
type Waiting = PromiseWithResolvers<unknown>

type Message =
  | readonly ['call', id: number, name: string, args: unknown]
  | readonly ['tell', name: string, args: unknown]
  | readonly ['answer', id: number, value: unknown]
  | readonly ['fault', id: number, fault: unknown]
  | readonly ['cancel', id: number]

/** What the other end is to be told before whatever is sent now, if anything is new. */
export type News = () => readonly [name: string, ...args: readonly unknown[]] | undefined

/** `failed` hears of what was told to this end and could not be taken: nobody else would. */
export function createChannel(
  port: Port,
  answers: Answers,
  failed: (error: unknown) => void,
  news: News = () => undefined,
): Channel {
  const waiting = new Map<number, Waiting>()
  const asked = new Map<number, AbortController>()
  let gathered: Message[] = []
  let lastId = 0
  let closed: string | undefined

  function post(message: Message): void {
    if (closed !== undefined) return
    if (gathered.length === 0) setImmediate(flush)
    gathered.push(message)
  }

  function flush(): void {
    if (closed !== undefined) return
    const [name, ...args] = news() ?? []
    const messages: Message[] = name === undefined ? gathered : [['tell', name, pack(args)], ...gathered]
    gathered = []
    if (messages.length > 0) send(messages)
  }

  /** What is no data, and cannot be sent, takes nothing with it that was said in the same turn. */
  function send(messages: readonly Message[]): void {
    try {
      port.send(messages as unknown as Serializable)
    } catch (error) {
      if (messages.length === 1) unsent(messages[0]!, error)
      else for (const message of messages) send([message])
    }
  }

  /** Whoever waits for it is not left waiting. */
  function unsent([kind, id]: Message, error: unknown): void {
    const fault = new Fault('internal', { what: `${kind} that cannot be sent` }, { cause: error })
    if (kind === 'call') settle(id, (one) => one.reject(fault))
    else failed(fault)
    if (kind === 'answer') send([['fault', id, packFault(fault)]])
  }

  async function answer(id: number, name: string, args: readonly unknown[]): Promise<void> {
    const control = new AbortController()
    asked.set(id, control)
    try {
      post(['answer', id, pack(await demand(name)(args, control.signal))])
    } catch (error) {
      post(['fault', id, packFault(toFault(error, name))])
    } finally {
      asked.delete(id)
    }
  }

  async function hear(name: string, args: readonly unknown[]): Promise<void> {
    try {
      await demand(name)(args, unheard)
    } catch (error) {
      failed(error)
    }
  }

  function demand(name: string): Answers[string] {
    if (!Object.hasOwn(answers, name)) throw new Fault('internal', { what: `${name}, which the other process has not` })
    return answers[name]!
  }

  function settle(id: number, how: (one: Waiting) => void): void {
    const one = waiting.get(id)
    waiting.delete(id)
    if (one) how(one)
  }

  const take = {
    call: (id: number, name: string, args: unknown) => void answer(id, name, unpack(args) as unknown[]),
    tell: (name: string, args: unknown) => void hear(name, unpack(args) as unknown[]),
    answer: (id: number, value: unknown) => settle(id, (one) => one.resolve(unpack(value))),
    fault: (id: number, fault: unknown) => settle(id, (one) => one.reject(unpackFault(fault))),
    cancel: (id: number) => asked.get(id)?.abort(new Fault('cancelled', { what: 'what another process asked for' })),
  }
  port.receive((messages) => {
    if (closed !== undefined) return // said before it was gone, and heard after
    for (const [kind, ...rest] of messages as readonly Message[]) (take[kind] as (...parts: readonly unknown[]) => void)(...rest)
  })

  return {
    async call(name, args, signal) {
      signal?.throwIfAborted()
      if (closed !== undefined) throw new Fault('internal', { what: closed })
      const packed = pack(args)
      const id = ++lastId
      const one = Promise.withResolvers<unknown>()
      waiting.set(id, one)
      post(['call', id, name, packed])
      const cancel = () => post(['cancel', id])
      signal?.addEventListener('abort', cancel, { once: true })
      try {
        return (await one.promise) as never
      } finally {
        signal?.removeEventListener('abort', cancel)
      }
    },
    tell: (name, ...args) => post(['tell', name, pack(args)]),
    touch() {
      if (gathered.length === 0) flush()
    },
    close(why) {
      closed = why
      for (const control of asked.values()) control.abort(new Fault('cancelled', { what: why }))
      for (const one of waiting.values()) one.reject(new Fault('internal', { what: why }))
      waiting.clear()
    },
  }
}

const unheard = new AbortController().signal

/** Messages are copied as data. What is more than that travels as a Map, which nothing else here is. */
function pack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (value instanceof URL) return new Map([['url', value.href]])
  if (Array.isArray(value)) return value.map(pack)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, pack(one)]))
}

function unpack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (value instanceof Map) return new URL(value.get('url') as string)
  if (Array.isArray(value)) return value.map(unpack)
  for (const [key, one] of Object.entries(value)) (value as Record<string, unknown>)[key] = unpack(one)
  return value
}

interface PackedFault {
  readonly code: FaultCode
  readonly details: unknown
  readonly cause: { readonly message: string; readonly stack?: string; readonly code?: string } | undefined
}

function packFault({ code, details, cause }: Fault): PackedFault {
  if (!(cause instanceof Error)) return { code, details, cause: undefined }
  const { message, stack } = cause
  const ofCause = 'code' in cause && typeof cause.code === 'string' ? { code: cause.code } : {}
  return { code, details, cause: { message, stack, ...ofCause } }
}

function unpackFault(packed: unknown): Fault {
  const { code, details, cause } = packed as PackedFault
  const options = cause && { cause: Object.assign(new Error(cause.message), cause) }
  return new Fault(code, details as FaultDetails[FaultCode], options)
}
