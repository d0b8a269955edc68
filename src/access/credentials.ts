import type { Shown } from './access.ts'
import { isTicket } from './tickets.ts'
import { isToken } from './tokens.ts'

const longest = 8 * 1024

/**
 * Reads an Authorization field. A token may also stand in the place of a password, for clients that know nothing else; whatever
 * name is given with it. A scheme with nothing after it is what some clients send who have nothing to show.
 *
 * @see RFC 7617, RFC 6750 §2.1
 */
export function parseAuthorization(field: string | undefined): Shown {
  if (field === undefined || field.trim() === '') return { kind: 'nothing' }
  const [, scheme = '', text = ''] = /^(\S+)\s*(.*)$/s.exec(field.slice(0, longest).trim()) ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
      if (text === '') return { kind: 'nothing' }
      return isTicket(text) ? { kind: 'ticket', text } : { kind: 'token', token: text, isOurs: isToken(text) }
    case 'basic':
      return parseBasic(text)
    default:
      return { kind: 'unknown' }
  }
}

function parseBasic(text: string): Shown {
  const pair = Buffer.from(text, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon < 0) return { kind: 'unknown' }
  const [name, password] = [pair.slice(0, colon), pair.slice(colon + 1)]
  if (name === '' && password === '') return { kind: 'nothing' }
  if (isTicket(password)) return { kind: 'ticket', text: password }
  return isToken(password) ? { kind: 'token', token: password, isOurs: true } : { kind: 'password', name, password }
}
