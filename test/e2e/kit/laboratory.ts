import { test as plain } from 'vitest'
import { lastWords } from './forebay.ts'
import { startRegistryWithImages } from './images.ts'
import type { Registry } from './registry.ts'
import { openTarget, type Target } from './target.ts'
import type { Tool } from './tools.ts'
import { type WorkDir, workDir } from './work-dir.ts'

/** What the registry and its images are made with. */
export const laboratory: readonly Tool[] = ['docker-registry', 'base image', 'crane', 'skopeo', 'oras', 'apptainer']

/** A test with a directory, an upstream that holds the images (one for the file), and an empty server of its own. */
export const test = plain
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures off this parameter
  .extend('shared', { scope: 'file' }, async ({}, { onCleanup }): Promise<WorkDir> => {
    const work = await workDir('shared')
    onCleanup(() => work[Symbol.asyncDispose]())
    return work
  })
  .extend('upstream', { scope: 'file' }, async ({ shared }, { onCleanup }): Promise<Registry> => {
    const registry = await startRegistryWithImages(shared)
    onCleanup(() => registry.stop())
    return registry
  })
  // biome-ignore lint/correctness/noEmptyPattern: the same
  .extend('work', async ({}, { onCleanup }): Promise<WorkDir> => {
    const work = await workDir('test')
    onCleanup(() => work[Symbol.asyncDispose]())
    return work
  })
  .extend('target', async ({ work, upstream, task }, { onCleanup }): Promise<Target> => {
    await upstream.start()
    const target = await openTarget(work, upstream, 'forebay')
    onCleanup(async () => {
      await target[Symbol.asyncDispose]()
      await upstream.start()
      if (task.result?.state === 'fail' && target.forebay !== undefined) console.log(await lastWords(target.forebay))
    })
    return target
  })
