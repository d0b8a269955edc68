import { rm } from 'node:fs/promises'
import { expect } from 'vitest'
import { type Asked, blobBytes, blobRequests } from './access-log.ts'
import type { Descriptor } from './describe-image.ts'
import type { Registry } from './registry.ts'
import type { Target } from './target.ts'
import type { WorkDir } from './work-dir.ts'

export interface Pull {
  /** `off` is warm with the upstream stopped. */
  readonly phase: 'cold' | 'warm' | 'off'
  /** An empty directory for what the client writes; gone after the phase. */
  readonly out: string
  /** HOME, caches and temporary files inside `out`: no phase finds what an earlier one left. */
  readonly env: Readonly<Record<string, string>>
}

interface Scene {
  readonly target: Target
  readonly upstream: Registry
  readonly work: WorkDir
  /** The client asks for parts: a blob may take the upstream more than one request, but hardly more bytes. */
  readonly inParts?: boolean
}

/**
 * Does the same pull cold, warm, and warm with the upstream stopped. After the first, the upstream's own log must show
 * one GET for each of `blobs` and no manifest twice; after the second, no GET of content at all. Where clients are
 * pointed straight at the registry, there is nothing to count and the third is left out.
 */
export async function threeTimes(scene: Scene, blobs: readonly Descriptor[], pull: (pull: Pull) => Promise<void>): Promise<void> {
  const { upstream, target } = scene
  await upstream.log.forget()
  await onePull(scene, 'cold', pull)
  await target.forebay?.settled() // it goes on where a client wanted a part only
  if (target.forebay !== undefined) expectCost(await upstream.log.asked(), blobs, scene.inParts ?? false)

  await upstream.log.forget()
  await onePull(scene, 'warm', pull)
  if (target.forebay === undefined) return
  const asked = await upstream.log.asked()
  expect([...manifestReads(asked), ...blobReads(asked)], 'content read again').toEqual([])

  await upstream.stop()
  await onePull(scene, 'off', pull)
  await upstream.start()
}

async function onePull({ work }: Scene, phase: Pull['phase'], pull: (pull: Pull) => Promise<void>): Promise<void> {
  const out = await work.folder(phase)
  const home = await work.folder(`${phase}/.home`)
  await pull({ phase, out, env: { HOME: home, XDG_RUNTIME_DIR: home, APPTAINER_TMPDIR: home } })
  await rm(out, { recursive: true, force: true })
}

function expectCost(asked: readonly Asked[], blobs: readonly Descriptor[], inParts: boolean): void {
  for (const { digest, size } of blobs) {
    if (inParts) expect(blobBytes(asked, digest) / size, `upstream bytes of ${digest}`).toBeLessThan(1.25)
    else expect([digest, blobRequests(asked, digest)]).toEqual([digest, 1])
  }
  expect(repeated(manifestReads(asked)), 'manifests read twice').toEqual([])
}

const manifestReads = (asked: readonly Asked[]): string[] => reads(asked, '/manifests/')
const blobReads = (asked: readonly Asked[]): string[] => reads(asked, '/blobs/')

function reads(asked: readonly Asked[], part: string): string[] {
  return asked.filter((one) => one.method === 'GET' && one.path.includes(part) && one.status < 300).map((one) => one.path)
}

function repeated(paths: readonly string[]): string[] {
  return paths.filter((path, index) => paths.indexOf(path) !== index)
}
