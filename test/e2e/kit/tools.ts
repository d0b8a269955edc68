import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { type Finished, type RunOptions, run, succeed } from './run.ts'

/** Programs of the machine itself, as a stable Debian has them. */
const machine = {
  'docker-registry': 'docker-registry',
  nginx: 'nginx',
  'skopeo 1.9': 'skopeo',
  podman: 'podman',
  containerd: 'containerd',
  ctr: 'ctr',
  dockerd: 'dockerd',
  docker: 'docker',
  htpasswd: 'htpasswd',
  'aria2c 1.36': 'aria2c',
  'wget2 1.99': 'wget2',
  'davix-get': 'davix-get',
  wget: 'wget',
} as const

/** Current releases, in the root directory that install.sh makes and client.sh enters. */
const current = { apptainer: '', skopeo: '', oras: '', crane: '', aria2c: '', wget2: '', curl: '', bash: '' } as const

export type Tool = keyof typeof machine | keyof typeof current | 'base image'

const script = join(import.meta.dirname, '..', 'client.sh')
const remedy = 'install it as root with: bash test/e2e/install.sh'

/** Where the test images, their base and the current clients are kept between runs. */
export function cacheDirectory(): string {
  return process.env.FOREBAY_E2E_CACHE ?? '/var/cache/forebay-e2e'
}

export function baseImage(): string {
  return join(cacheDirectory(), 'base.tar')
}

/** Runs a tool by its name here, whichever root it lives in. */
export function use(tool: Tool, args: readonly string[], options?: RunOptions): Promise<Finished> {
  const [command, before] = commandOf(tool)
  return run(command, [...before, ...args], options)
}

/** As `use`, but anything except exit code 0 throws; returns what it printed. */
export function mustUse(tool: Tool, args: readonly string[], options?: RunOptions): Promise<string> {
  const [command, before] = commandOf(tool)
  return succeed(command, [...before, ...args], options)
}

/**
 * A group of tests that needs real clients. Where some are missing it is skipped with a line that names them, unless
 * FOREBAY_E2E=required is set, as in CI: then it fails.
 */
export function describeWith(needs: readonly Tool[], name: string, body: () => void): void {
  const lacking = missing(needs)
  if (lacking.length === 0) {
    describe(name, body)
    return
  }
  const line = `${name}: not run, missing here: ${lacking.join(', ')}; ${remedy}`
  if (process.env.FOREBAY_E2E === 'required') {
    describe(name, () => {
      test('has the clients that it needs', () => {
        throw new Error(line)
      })
    })
    return
  }
  console.log(line)
  describe.skip(name, body)
}

/** Skips a test that this machine has no room for; where nothing may be left out, it fails. */
export function cannotRun(skip: (why: string) => never, why: string): never {
  if (process.env.FOREBAY_E2E === 'required') throw new Error(why)
  return skip(why)
}

export function missing(needs: readonly Tool[]): string[] {
  const lacking: string[] = [...new Set(needs)].filter((tool) => !present(tool))
  // Mount namespaces, containerd and podman as used here belong to root.
  return process.getuid?.() === 0 ? lacking : ['root', ...lacking]
}

function present(tool: Tool): boolean {
  if (tool === 'base image') return existsSync(baseImage())
  if (isCurrent(tool)) return existsSync(join(cacheDirectory(), 'clients/usr/bin', tool))
  const folders = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':')
  return folders.some((folder) => existsSync(join(folder, machine[tool])))
}

function commandOf(tool: Tool): [string, string[]] {
  if (tool === 'base image') throw new Error('the base image is a file, not a command')
  return isCurrent(tool) ? ['bash', [script, tool]] : [machine[tool], []]
}

function isCurrent(tool: Tool): tool is keyof typeof current {
  return Object.hasOwn(current, tool)
}
