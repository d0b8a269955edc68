import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsSettings } from '../config/config.ts'
import { isFault } from '../model/fault.ts'
import { readSmallFile } from '../system/files.ts'

/** What a listener needs to speak TLS, read and seen to be of use. */
export interface Certificates {
  readonly context: SecureContextOptions
  readonly expiresAt: number // epoch ms
}

export type ReadCertificates = Certificates | { readonly mistakes: readonly string[] }

const longest = 1024 * 1024 // bytes of one file
const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

// Mozilla's "intermediate" list without DHE. The short key first: these servers move bytes.
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** `setting`: how the mistakes name where these settings stand. Nothing of a key is ever in them. */
export async function readCertificates(files: TlsSettings, setting: string, now: number): Promise<ReadCertificates> {
  const mistakes: string[] = []
  const tell = (key: string, path: string, why: string) => {
    mistakes.push(`${setting}.${key}: ${path}: ${why}`)
  }
  const read = async (key: 'certificate' | 'key' | 'clientCa') => {
    const path = files[key]
    const text = path === undefined ? undefined : await readText(path)
    if (text === undefined || 'text' in text) return text?.text
    tell(key, path!, text.why)
    return undefined
  }
  const [chain, secret, authorities] = [await read('certificate'), await read('key'), await read('clientCa')]
  const certificates = chain === undefined ? undefined : parseChain(chain, (why) => tell('certificate', files.certificate, why))
  const key = secret === undefined ? undefined : parseKey(secret)
  if (secret !== undefined && !key) tell('key', files.key, 'there is no private key without a passphrase in it, in PEM form')
  if (authorities !== undefined) parseChain(authorities, (why) => tell('clientCa', files.clientCa!, why))
  const [leaf] = certificates ?? []
  if (leaf) for (const why of untimely(leaf, now)) tell('certificate', files.certificate, why)
  if (leaf && key && !leaf.checkPrivateKey(key))
    tell('key', files.key, `it does not belong to the certificate in ${files.certificate}`)
  if (mistakes.length > 0 || !leaf) return { mistakes }
  const context: SecureContextOptions = { minVersion: 'TLSv1.2', ciphers, cert: chain, key: secret, ca: authorities }
  try {
    createSecureContext(context)
  } catch (error) {
    tell('certificate', files.certificate, `it cannot be used: ${(error as NodeJS.ErrnoException).code ?? 'OpenSSL refuses it'}`)
    return { mistakes }
  }
  return { context, expiresAt: leaf.validToDate.getTime() }
}

async function readText(path: string): Promise<{ readonly text: string } | { readonly why: string }> {
  try {
    const bytes = await readSmallFile(path, longest)
    return bytes ? { text: bytes.toString('latin1') } : { why: 'there is no such file' }
  } catch (error) {
    if (!isFault(error)) throw error
    return { why: isFault(error, 'disk-failed') ? error.details.why : error.message }
  }
}

function parseChain(text: string, tell: (why: string) => void): readonly X509Certificate[] | undefined {
  const blocks = text.match(block) ?? []
  if (blocks.length === 0) tell('there is no certificate in it, in PEM form')
  try {
    return blocks.map((one) => new X509Certificate(one))
  } catch {
    tell('a certificate in it is damaged')
    return undefined
  }
}

function parseKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text)
  } catch {
    return undefined // what OpenSSL says may quote it
  }
}

function untimely({ validFromDate, validToDate }: X509Certificate, now: number): readonly string[] {
  if (validToDate.getTime() <= now) return [`it expired at ${validToDate.toISOString()}`]
  if (validFromDate.getTime() > now) return [`it is not valid before ${validFromDate.toISOString()}`]
  return []
}
