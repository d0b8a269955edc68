import { execFile } from 'node:child_process'
import { serverEnvironment } from './server.ts'

/** What is installed, by version; undefined where it is not. */
export interface Tools {
  readonly nginx?: string
  readonly dockerRegistry?: string
  readonly wrk?: string
}

export async function findTools(): Promise<Tools> {
  const [nginx, dockerRegistry, wrk] = await Promise.all([
    versionOf('nginx', ['-v'], /nginx\/(\S+)/),
    versionOf('docker-registry', ['--version'], /distribution (\S+)/),
    versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
  ])
  return { nginx, dockerRegistry, wrk }
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
