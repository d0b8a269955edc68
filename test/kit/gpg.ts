import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Is GnuPG on this machine? A suite that needs it says so and is skipped where it is not. */
export function hasGpg(): boolean {
  return spawnSync('gpg', ['--version']).status === 0
}

/** What `gpg --verify` says of a detached signature, to somebody who has that public key and no other. */
export function verifyWithGpg(publicKey: string, signature: Uint8Array, data: Uint8Array): { isGood: boolean; said: string } {
  const home = mkdtempSync(path.join(os.tmpdir(), 'forebay-gpg-')) // its mode is 0700, as gpg wants it
  const gpg = (...words: string[]) =>
    spawnSync('gpg', ['--homedir', home, '--batch', '--no-tty', '--no-autostart', ...words], {
      encoding: 'utf8',
      timeout: 60_000,
    })
  try {
    for (const [name, bytes] of Object.entries({ signature, data })) writeFileSync(path.join(home, name), bytes)
    const imported = gpg('--import', publicKey)
    if (imported.status !== 0) throw new Error(`gpg could not import ${publicKey}: ${imported.stderr}`)
    const { status, stderr, error } = gpg('--verify', path.join(home, 'signature'), path.join(home, 'data'))
    if (error) throw error
    return { isGood: status === 0 && stderr.includes('Good signature'), said: stderr }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
