import { mkdir, writeFile } from 'node:fs/promises'
import { startDaemon } from './daemon.ts'
import { mustUse } from './tools.ts'

/** A containerd with sockets, content and images of its own; no CRI, nothing of the machine's. */
export interface Containerd extends AsyncDisposable {
  /** The quickest that works where the content lies. */
  readonly snapshotter: 'overlayfs' | 'native'
  ctr(...args: readonly string[]): Promise<string>
}

export async function startContainerd(folder: string, env: Readonly<Record<string, string>>): Promise<Containerd> {
  await mkdir(folder, { recursive: true })
  const socket = `${folder}/containerd.sock`
  const settings = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `address = "${socket}"`,
    '[ttrpc]',
    `address = "${socket}.ttrpc"`,
  ]
  await writeFile(`${folder}/config.toml`, `${settings.join('\n')}\n`)
  const ctr = (...args: readonly string[]): Promise<string> => mustUse('ctr', ['--address', socket, ...args], { env })
  const daemon = await startDaemon({
    command: 'containerd',
    args: ['--config', `${folder}/config.toml`],
    log: `${folder}/containerd.log`,
    env,
    ready: async () => (await ctr('version')).includes('Server'),
  })
  const hasOverlay = /overlayfs\s+\S+\s+ok/.test(await ctr('plugins', 'ls'))
  return { ctr, snapshotter: hasOverlay ? 'overlayfs' : 'native', [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() }
}

/** A hosts directory (`certs.d`) that sends one registry to a plain HTTP host; returns the directory. */
export async function hostsDirectory(folder: string, registry: string, host: string): Promise<string> {
  await mkdir(`${folder}/${registry}`, { recursive: true })
  const lines = [`server = "https://${registry}"`, `[host."${host}"]`, 'capabilities = ["pull", "resolve"]']
  await writeFile(`${folder}/${registry}/hosts.toml`, `${lines.join('\n')}\n`)
  return folder
}
