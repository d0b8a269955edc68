import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { storedBlob, upstreamName } from '../servers/forebay.ts'
import { repository } from '../servers/paths.ts'

// What a server would have written for blobs it has fetched, in the store of a server that does not run yet.

/** The facts beside a blob that is in place. */
export function writeFacts(folder: string, digest: string): void {
  const facts = {
    mediaType: 'application/octet-stream',
    repositories: [`${upstreamName}/${repository}`],
    isPublic: true,
    aliases: [],
    createdAt: Date.now(),
  }
  writeFileSync(`${storedBlob(folder, digest)}.json`, `${JSON.stringify(facts)}\n`, { mode: 0o600 })
}

/** So many small blobs, all different. Returns the digest of each. */
export function putSmallBlobs(folder: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const bytes = smallBlob(index)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const path = storedBlob(folder, digest)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, bytes, { mode: 0o600 })
    writeFacts(folder, digest)
    return digest
  })
}

export const smallBlob = (index: number): Buffer => Buffer.from(`blob ${index} `.padEnd(1024 + (index % 1024), '.'))
