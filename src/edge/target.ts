import type { IncomingMessage } from 'node:http'
import { Fault } from '../model/fault.ts'

/** What the request line asked for, as it was written: nothing decoded, no dot segment resolved. */
export interface RequestTarget {
  readonly path: string
  readonly query: string // without its question mark
  readonly host: string // as the client wrote it; empty if it did not
}

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is

/**
 * Reads the request target. An absolute form, as clients of a forward proxy write it, is taken only for our own names.
 *
 * @throws Fault 'request-invalid' for somebody else's name, or a target that is neither a path nor a URL
 * @see RFC 9112 §3.2
 */
export function parseTarget(incoming: IncomingMessage, isOwnHost: (host: string) => boolean): RequestTarget {
  const url = incoming.url ?? ''
  if (url.startsWith('/')) return split(url, incoming.headers.host ?? '')
  const [, host, rest] = absoluteForm.exec(url) ?? []
  if (host === undefined || rest === undefined) throw invalid(url, 'it is neither a path nor an http URL')
  const local = `${incoming.socket.localAddress}:${incoming.socket.localPort}`
  if (host.toLowerCase() !== local && !isOwnHost(host))
    throw invalid(url, `this is a registry, not a proxy for ${host.slice(0, 100)}`)
  return split(rest.startsWith('/') ? rest : `/${rest}`, host)
}

function split(url: string, host: string): RequestTarget {
  const mark = url.indexOf('?')
  return mark < 0 ? { path: url, query: '', host } : { path: url.slice(0, mark), query: url.slice(mark + 1), host }
}

function invalid(url: string, why: string): Fault {
  return new Fault('request-invalid', { what: `the request target "${url.replace(/\?.*$/s, '').slice(0, 100)}"`, why })
}
