import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createOpenPgp } from '../../src/system/openpgp.ts'
import { tempFolder } from './temp-folder.ts'

export type KeyName = 'site' | 'locked' | 'offline' | 'publisher' | 'stranger' | 'expired' | 'revoked'

/** Of the `locked` and the `offline` key. */
export const passphrase = 'open sesame'

export const fingerprints: Readonly<Record<KeyName, string>> = {
  site: '3133374B2CE30CBCAC863AA81FA609C9A4176DCB',
  locked: '2780CDBF389561B3258598D7D11ABE9998471B43',
  offline: 'DB12CF6160D35B514AF894D25332ADF79394D261',
  publisher: 'B64561828571B52339676F304997816E40F503BF',
  stranger: 'F45D7EFE6CDA4B447B9DC17D7F0A51D07962E191',
  expired: 'C8B22D5E9A5CC2CD6A99144F3A5BFD0F6F491046',
  revoked: 'F86F9214BE77FB57ADD57B84A0D8928A4A8ACE87',
}

/** The path of a file in test/fixtures/openpgp, such as `site.sec.asc`. */
export function openPgpFile(name: string): string {
  return fileURLToPath(new URL(`../fixtures/openpgp/${name}`, import.meta.url))
}

export function readOpenPgpFile(name: string): string {
  return readFileSync(openPgpFile(name), 'utf8')
}

/** Signs bytes with a key of the fixtures. */
export async function signWith(name: 'site' | 'publisher' | 'stranger', bytes: Uint8Array): Promise<string> {
  const key = { armored: readOpenPgpFile(`${name}.sec.asc`), passphrase: undefined }
  const openpgp = createOpenPgp({ key, rings: new Map() })
  try {
    return await openpgp.sign(bytes)
  } finally {
    await openpgp.close()
  }
}

/** Is this a good signature of the bytes, by that key? */
export async function isSignedBy(name: KeyName, signature: Uint8Array, bytes: Uint8Array): Promise<boolean> {
  const openpgp = createOpenPgp({ key: undefined, rings: new Map([[name, readOpenPgpFile(`${name}.pub.asc`)]]) })
  await using folder = await tempFolder()
  const path = join(folder.path, 'data')
  await writeFile(path, bytes)
  try {
    const text = Buffer.from(signature).toString()
    const verdict = await openpgp.verifyFile(path, bytes.length, text, [name], new AbortController().signal)
    return verdict.outcome === 'good' && verdict.by === fingerprints[name]
  } finally {
    await openpgp.close()
  }
}
