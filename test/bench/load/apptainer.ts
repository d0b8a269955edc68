import { execFile } from 'node:child_process'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { now } from '../now.ts'
import { clientEnvironment, clientScript } from '../servers/tools.ts'

const run = promisify(execFile)

export interface SifPull {
  readonly folder: string // for all that the client writes; gone afterwards
  readonly port: number
  readonly reference: string // library://…
  readonly size: number // bytes, that it must get
}

/**
 * Seconds of one `apptainer pull`, by somebody who has nothing yet. The client compares the sha-256 by itself.
 *
 * @throws when it fails, or has another size
 */
export async function pullSif({ folder, port, reference, size }: SifPull): Promise<number> {
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  const env = { ...clientEnvironment(), HOME: home, XDG_RUNTIME_DIR: home, APPTAINER_TMPDIR: home }
  const file = join(home, 'image.sif')
  const words = [clientScript, 'apptainer', 'pull', '--library', `http://127.0.0.1:${port}`, file, reference]
  const startedAt = now()
  await run('bash', words, { env, cwd: home, timeout: 600_000, maxBuffer: 64 * 1024 * 1024 })
  const seconds = (now() - startedAt) / 1000
  const got = (await stat(file)).size
  await rm(home, { recursive: true })
  if (got !== size) throw new Error(`apptainer got ${got} of ${size} bytes`)
  return seconds
}
