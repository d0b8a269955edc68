import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect } from 'vitest'
import { type Descriptor, type Image, sha256 } from './describe-image.ts'

export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return `sha256:${hash.digest('hex')}`
}

/** A skopeo `dir:` copy holds exactly this manifest, and blobs whose bytes are what their names say. */
export async function expectDirectoryCopy(folder: string, image: Image): Promise<void> {
  expect(await readFile(join(folder, 'manifest.json'), 'utf8')).toBe(image.raw)
  for (const child of Object.values(image.platforms)) {
    const text = await readFile(join(folder, `${hex(child.digest)}.manifest.json`), 'utf8')
    expect(sha256(text)).toBe(child.digest)
  }
  await expectBlobs(folder, image.blobs)
}

/** An OCI image layout holds these blobs, each with the bytes that its name says. */
export async function expectLayout(folder: string, blobs: readonly Pick<Descriptor, 'digest'>[]): Promise<void> {
  await expectBlobs(join(folder, 'blobs', 'sha256'), blobs)
}

async function expectBlobs(folder: string, blobs: readonly Pick<Descriptor, 'digest'>[]): Promise<void> {
  expect(await readdir(folder)).toEqual(expect.arrayContaining(blobs.map(({ digest }) => hex(digest))))
  for (const { digest } of blobs) expect(await fileDigest(join(folder, hex(digest)))).toBe(digest)
}

function hex(digest: string): string {
  return digest.slice('sha256:'.length)
}
