import { randomFillSync } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type Descriptor, describeImage } from './describe-image.ts'
import type { Registry } from './registry.ts'
import { mustUse } from './tools.ts'
import type { WorkDir } from './work-dir.ts'

export interface Noise {
  readonly repository: string
  readonly tag: string
  readonly blob: Descriptor
}

/** Pushes an artifact whose one layer is so many MiB of noise, which nothing can compress. */
export async function pushNoise(work: WorkDir, registry: Registry, sizeMiB: number): Promise<Noise> {
  await using file = await open(work.file('noise.bin'), 'w')
  const chunk = Buffer.alloc(1024 * 1024)
  for (let written = 0; written < sizeMiB; written += 1) await file.write(randomFillSync(chunk))
  const name = { repository: 'lab/noise', tag: `${sizeMiB}` }
  const push = ['push', '--plain-http', `${registry.address}/lab/noise:${sizeMiB}`, 'noise.bin:application/octet-stream']
  await mustUse('oras', push, { env: work.env, cwd: work.path })
  const { blobs } = await describeImage(registry.url, name.repository, name.tag)
  const blob = blobs.find(({ size }) => size === sizeMiB * chunk.length)
  if (blob === undefined) throw new Error('the artifact has no layer of that size')
  return { ...name, blob }
}
