import type { TrustedKeys } from '../catalog/trusted-keys.ts'
import type { Config } from '../config/config.ts'
import type { Secret } from '../config/secrets.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { readSmallFile } from '../system/files.ts'
import { createOpenPgp, type OpenPgp } from '../system/openpgp.ts'

/** The keys of the settings, read and seen to be of use. */
export interface OpenKeys {
  readonly openpgp: OpenPgp
  /** The fingerprint of the key that signs; undefined where nothing is signed. */
  readonly siteKey: string | undefined
  readonly trusted: ReadonlyMap<UpstreamId, TrustedKeys>
}

const longestKeys = 4 * 1024 * 1024 // bytes of one file

/** @throws Fault 'config-invalid' with every key that is of no use, and why; no secret is in it */
export async function openKeys(config: Config): Promise<OpenKeys> {
  const mistakes: string[] = []
  const key = readKey(config.signing, mistakes)
  const rings = await readRings(config, mistakes)
  const openpgp = createOpenPgp({ key, rings })
  try {
    const siteKey = key && (await checkKey(openpgp, mistakes))
    const trusted = new Map<UpstreamId, TrustedKeys>()
    for (const [id, { signatures }] of config.upstreams) {
      if (!signatures) continue
      const found = signatures.keys.map((path) => checkRing(openpgp, rings, id, path, mistakes))
      const fingerprints = new Set((await Promise.all(found)).flat())
      trusted.set(id, { rings: signatures.keys, fingerprints, isRequired: signatures.required })
    }
    if (mistakes.length > 0) throw new Fault('config-invalid', { file: config.file, mistakes })
    return { openpgp, siteKey, trusted }
  } catch (error) {
    await openpgp.close()
    throw error
  }
}

function readKey(signing: Config['signing'], mistakes: string[]) {
  if (!signing) return undefined
  const armored = read('signing.key', signing.key, mistakes)
  const passphrase = signing.passphrase && read('signing.passphrase', signing.passphrase, mistakes)
  return armored === undefined || (signing.passphrase && passphrase === undefined) ? undefined : { armored, passphrase }
}

function read(setting: string, secret: Secret, mistakes: string[]): string | undefined {
  try {
    return secret.read()
  } catch (error) {
    mistakes.push(`${setting}: ${(error as Error).message}`)
    return undefined
  }
}

/** Armored public keys by the path of their file. */
async function readRings(config: Config, mistakes: string[]): Promise<ReadonlyMap<string, string>> {
  const rings = new Map<string, string>()
  for (const [id, { signatures }] of config.upstreams) {
    for (const path of signatures?.keys ?? []) {
      const text = rings.get(path) ?? (await readRing(path))
      if (text instanceof Fault) mistakes.push(`upstreams.${id}.signatures.keys: ${text.message}`)
      else rings.set(path, text)
    }
  }
  return rings
}

async function readRing(path: string): Promise<string | Fault> {
  try {
    const bytes = await readSmallFile(path, longestKeys)
    return bytes?.toString('latin1') ?? new Fault('disk-failed', { path, why: 'there is no such file' })
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}

async function checkKey(openpgp: OpenPgp, mistakes: string[]): Promise<string | undefined> {
  const report = await openpgp.key()
  if (report?.outcome === 'usable') return report.fingerprint
  if (report) mistakes.push(`signing.${report.fault}: ${report.why}`)
  return undefined
}

async function checkRing(
  openpgp: OpenPgp,
  rings: ReadonlyMap<string, string>,
  id: UpstreamId,
  path: string,
  mistakes: string[],
): Promise<readonly string[]> {
  const report = rings.has(path) ? await openpgp.ring(path) : undefined
  if (report?.outcome === 'usable') return report.fingerprints
  if (report) mistakes.push(`upstreams.${id}.signatures.keys: ${path}: ${report.why}`)
  return []
}
