import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { digestOfBytes } from '../../kit/blobs.ts'
import { filesBelow } from '../../kit/disk.ts'
import { fileDigest } from './check-bytes.ts'
import type { Finished, RunOptions } from './run.ts'
import { use } from './tools.ts'
import type { WorkDir } from './work-dir.ts'

/** Somebody who uses apptainer, with a home of their own and a cache in it. */
export interface ApptainerUser {
  readonly home: string
  run(...args: readonly string[]): Promise<Finished>
  /** `run` with `pull`, of an image whose file was not there before. */
  pull(...args: readonly string[]): Promise<Pulled>
  /** What is kept of images from a library, or of another kind. */
  cached(kind?: 'library' | 'shub' | 'oras' | 'net'): Promise<readonly string[]>
}

export interface Pulled extends Finished {
  readonly file: string
}

export async function apptainerUser(
  work: WorkDir,
  name: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ApptainerUser> {
  const home = await work.folder(name)
  const file = join(home, 'pulled.sif')
  const options: RunOptions = { env: { HOME: home, XDG_RUNTIME_DIR: home, APPTAINER_TMPDIR: home, ...env }, cwd: home }
  return {
    home,
    run: (...args) => use('apptainer', args, options),
    async pull(...args) {
      await rm(file, { force: true })
      const [flags, reference] = [args.slice(0, -1), args.at(-1)!]
      return { ...(await use('apptainer', ['pull', ...flags, file, reference], options)), file }
    },
    cached: async (kind = 'library') => {
      const files = await filesBelow(join(home, '.apptainer', 'cache', kind))
      return files.filter((file) => !/^tmp_\d+$/.test(file)) // that it leaves behind itself where it was refused
    },
  }
}

export async function expectPulled({ code, stderr, file }: Pulled, bytes: Uint8Array): Promise<void> {
  expect([code, stderr]).toEqual([0, expect.anything()])
  expect(await fileDigest(file)).toBe(digestOfBytes(bytes))
}

/** What apptainer reads of a file that was pulled. */
export async function expectReadable({ run }: Pick<ApptainerUser, 'run'>, file: string): Promise<void> {
  const { code, stdout, stderr } = await run('sif', 'list', file)
  expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('FS (Squashfs')])
}

/** It failed, said so, and left nothing that could be taken for the image. */
export function expectFailed({ code, stderr, file }: Pulled, why?: string): void {
  expect([code, existsSync(file)]).toEqual([255, false])
  if (why !== undefined) expect(stderr).toContain(why)
}
