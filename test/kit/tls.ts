import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url))

/** The authority that a house has to be told of. */
export const caFile = at('ca.pem')

/** A certificate of that authority for localhost and 127.0.0.1. */
export function serverCertificate(): { key: Buffer; cert: Buffer } {
  return { key: readFileSync(at('server.key')), cert: readFileSync(at('server.pem')) }
}
