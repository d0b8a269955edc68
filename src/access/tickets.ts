import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Fault } from '../model/fault.ts'
import { makeFolder, readSmallFile, writeNew } from '../system/files.ts'
import type { Ticket } from './access.ts'
import { tokensFolder } from './tokens.ts'

/** Tickets are sealed: whoever carries one can neither read nor change it. */
export interface Tickets {
  seal(ticket: Ticket, expiresAt: number): string
  /** Undefined for what we did not seal, or is over. */
  open(text: string): Ticket | undefined
}

const prefix = 'forebayt_'
const [keyBytes, nonceBytes, tagBytes] = [32, 12, 16]
const cipher = 'aes-256-gcm'

export function isTicket(text: string): boolean {
  return text.startsWith(prefix)
}

/** The key is kept beside the tokens, so that every process of this server opens what another has sealed. @throws Fault 'disk-failed' */
export async function createTickets(storePath: string, now: () => number): Promise<Tickets> {
  const key = await keyIn(storePath)
  return {
    seal(ticket, expiresAt) {
      const nonce = randomBytes(nonceBytes)
      const sealing = createCipheriv(cipher, key, nonce)
      const sealed = Buffer.concat([sealing.update(JSON.stringify({ ticket, expiresAt })), sealing.final()])
      return prefix + Buffer.concat([nonce, sealing.getAuthTag(), sealed]).toString('base64url')
    },
    open(text) {
      const bytes = Buffer.from(text.slice(prefix.length), 'base64url')
      if (!isTicket(text) || bytes.length <= nonceBytes + tagBytes) return undefined
      try {
        const opening = createDecipheriv(cipher, key, bytes.subarray(0, nonceBytes))
        opening.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
        const plain = Buffer.concat([opening.update(bytes.subarray(nonceBytes + tagBytes)), opening.final()])
        const { ticket, expiresAt } = JSON.parse(plain.toString()) as { ticket: Ticket; expiresAt: number }
        return expiresAt > now() ? ticket : undefined
      } catch {
        return undefined // of another key, or changed
      }
    },
  }
}

async function keyIn(storePath: string): Promise<Uint8Array> {
  const path = join(tokensFolder(storePath), 'tickets.key')
  await makeFolder(tokensFolder(storePath))
  if (!(await readSmallFile(path, keyBytes))) await writeNew(path, randomBytes(keyBytes))
  const key = await readSmallFile(path, keyBytes)
  if (key?.length !== keyBytes) throw new Fault('disk-failed', { path, why: `it is no key of ${keyBytes} bytes; remove it` })
  return key
}
