import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url))

/** The authority that a house has to be told of. */
export const caFile = at('ca.pem')
export const clientsCaFile = at('clients-ca.pem')

type Named = 'server' | 'next' | 'expired' | 'client' | 'stranger'

/** Of a certificate and its key: `server` and `next` are of different authorities, `client` is of `clientsCaFile`. */
export function tlsFiles(name: Named): { certificate: string; key: string } {
  return { certificate: at(`${name}.pem`), key: at(`${name}.key`) }
}

/** The authorities of `server` and of `next`: what clients under test trust. */
export function trustedAuthorities(): Buffer[] {
  return [readFileSync(caFile), readFileSync(at('next-ca.pem'))]
}

/** A certificate of that authority for localhost and 127.0.0.1. */
export function serverCertificate(): { key: Buffer; cert: Buffer } {
  return { key: readFileSync(at('server.key')), cert: readFileSync(at('server.pem')) }
}
