import { seededBytes } from '../../kit/blobs.ts'
import { buildSif } from '../../kit/sif.ts'

/** A SIF of noise that apptainer takes for one which it could run: it looks at the superblock of what came over oras. */
export function mountableSif(size: number, seed: string): Buffer {
  const bytes = Buffer.from(seededBytes(size, seed))
  bytes.fill(0, 0, 96)
  bytes.write('hsqs')
  bytes.writeUInt16LE(1, 20) // gzip
  bytes.writeUInt16LE(4, 28) // version
  return buildSif({ partitions: [{ bytes }] })
}
