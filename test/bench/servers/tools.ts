import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { serverEnvironment } from './server.ts'

/** What is installed, by version; undefined where it is not. */
export interface Tools {
  readonly nginx?: string
  readonly dockerRegistry?: string
  readonly wrk?: string
  readonly apptainer?: string // in the root of the end-to-end tests
}

export async function findTools(): Promise<Tools> {
  const [nginx, dockerRegistry, wrk, apptainer] = await Promise.all([
    versionOf('nginx', ['-v'], /nginx\/(\S+)/),
    versionOf('docker-registry', ['--version'], /distribution (\S+)/),
    versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
    clientVersion('apptainer', /version (\S+)/),
  ])
  return { nginx, dockerRegistry, wrk, apptainer }
}

/** What runs a current client: a script, to be followed by the client's name and arguments. */
export const clientScript = join(import.meta.dirname, '..', '..', 'e2e', 'client.sh')

/** Where the clients are, if that was said. */
export function clientEnvironment(): NodeJS.ProcessEnv {
  const { FOREBAY_E2E_CACHE } = process.env
  return { ...serverEnvironment(), ...(FOREBAY_E2E_CACHE && { FOREBAY_E2E_CACHE }) }
}

function clientVersion(client: string, pattern: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { env: clientEnvironment(), timeout: 10_000 }
    // Without the clients, or without the rights to enter their root, the script fails.
    execFile('bash', [clientScript, client, '--version'], options, (error, stdout) => {
      resolve(error ? undefined : (pattern.exec(stdout)?.[1] ?? 'unknown version'))
    })
  })
}

function versionOf(command: string, args: readonly string[], pattern: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    // wrk exits with 1 when asked for its version.
    execFile(command, args, { env: serverEnvironment(), timeout: 10_000 }, (error, stdout, stderr) => {
      const missing = error !== null && 'code' in error && error.code === 'ENOENT'
      resolve(missing ? undefined : (pattern.exec(stdout + stderr)?.[1] ?? 'unknown version'))
    })
  })
}
