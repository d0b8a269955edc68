import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory of one test's own, with a home in it; gone, with all that is in it, when disposed. */
export interface WorkDir extends AsyncDisposable {
  readonly path: string
  /** HOME and the like, so that no client reads or writes the tester's own settings, logins or caches. */
  readonly env: Readonly<Record<string, string>>
  file(...names: string[]): string
  /** A new empty directory in it. */
  folder(name: string): Promise<string>
}

export async function workDir(name: string): Promise<WorkDir> {
  const path = await mkdtemp(join(tmpdir(), `forebay-e2e-${name}-`))
  const home = join(path, 'home')
  await mkdir(join(home, 'run'), { recursive: true })
  return {
    path,
    env: { HOME: home, XDG_RUNTIME_DIR: join(home, 'run') },
    file: (...names) => join(path, ...names),
    async folder(folder) {
      await mkdir(join(path, folder), { recursive: true })
      return join(path, folder)
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}
