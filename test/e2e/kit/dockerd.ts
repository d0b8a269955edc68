import { mkdir, writeFile } from 'node:fs/promises'
import { startDaemon } from './daemon.ts'
import type { RunOptions } from './run.ts'
import { mustUse } from './tools.ts'

/** A dockerd with a socket, a store and a containerd of its own; no network for containers, nothing of the machine's. */
export interface Dockerd extends AsyncDisposable {
  docker(...args: readonly string[]): Promise<string>
}

/** `daemonJson` is all the settings it has, besides where it keeps its things. */
export async function startDockerd(folder: string, daemonJson: string, options: RunOptions): Promise<Dockerd> {
  await mkdir(folder, { recursive: true })
  const socket = `unix://${folder}/docker.sock`
  await writeFile(`${folder}/daemon.json`, daemonJson)
  const docker = (...args: readonly string[]): Promise<string> => mustUse('docker', ['--host', socket, ...args], options)
  const own = ['--data-root', `${folder}/root`, '--exec-root', `${folder}/exec`, '--pidfile', `${folder}/pid`]
  const network = ['--iptables=false', '--ip6tables=false', '--bridge=none']
  const daemon = await startDaemon({
    command: 'dockerd',
    args: ['--config-file', `${folder}/daemon.json`, '--host', socket, '--storage-driver', 'vfs', ...own, ...network],
    log: `${folder}/dockerd.log`,
    env: options.env,
    ready: async () => (await docker('version', '--format', '{{.Server.Version}}')) !== '',
  })
  return { docker, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() }
}
