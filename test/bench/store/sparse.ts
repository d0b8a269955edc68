import { createHash } from 'node:crypto'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { storedBlob } from '../servers/forebay.ts'
import { writeFacts } from './put.ts'

/** A blob of zeros that takes no room on disk, whatever its size; returns its digest. */
export async function putSparseBlob(folder: string, size: number): Promise<string> {
  const digest = digestOfZeros(size)
  const path = storedBlob(folder, digest)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const staged = join(dirname(path), 'staged')
  const file = await open(staged, 'w', 0o600)
  await file.truncate(size)
  await file.close()
  await rename(staged, path)
  writeFacts(folder, digest)
  return digest
}

function digestOfZeros(size: number): string {
  const zeros = Buffer.alloc(4 * 1024 * 1024)
  const hash = createHash('sha256')
  for (let left = size; left > 0; left -= zeros.length) hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
  return `sha256:${hash.digest('hex')}`
}
