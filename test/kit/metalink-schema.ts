import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const schema = fileURLToPath(new URL('../fixtures/metalink/metalink4.rng', import.meta.url))

/** Is xmllint on this machine? A suite that needs it says so and is skipped where it is not. */
export function hasXmllint(): boolean {
  return spawnSync('xmllint', ['--version']).status === 0
}

/** Which of the documents RFC 5854's schema refuses, by index, and what xmllint says of them. */
export function refusedBySchema(documents: readonly string[]): { refused: number[]; said: string } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'forebay-schema-'))
  try {
    const files = documents.map((document, index) => {
      const file = path.join(folder, `${index}.meta4`)
      writeFileSync(file, document)
      return file
    })
    const { stderr, status, error } = spawnSync('xmllint', ['--nonet', '--noout', '--relaxng', schema, ...files], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    if (error) throw error
    if (status !== 0 && !stderr.includes('fails to validate'))
      throw new Error(`xmllint could not judge: ${stderr.slice(0, 2000)}`)
    const refused = files.flatMap((file, index) => (stderr.includes(`${file} fails to validate`) ? [index] : []))
    return { refused, said: stderr.slice(0, 2000) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
