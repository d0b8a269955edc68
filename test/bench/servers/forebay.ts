import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, type Server, startServer } from './server.ts'

const project = join(import.meta.dirname, '..', '..', '..')

export interface ForebayOptions {
  readonly nodeOptions: readonly string[]
}

/** Forebay over the store in `folder`, as an operator runs it, without a line for each request. */
export async function startForebay(folder: string, upstreamPort: number, { nodeOptions }: ForebayOptions): Promise<Server> {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const settings = {
    listen: { host: '127.0.0.1', port },
    store: { path: storeOf(folder) },
    upstreams: { [upstreamName]: { kind: 'oci', url: `http://127.0.0.1:${upstreamPort}` } },
    defaults: { oci: upstreamName },
    log: { level: 'warn', access: false },
  }
  // JSON is YAML.
  await writeFile(join(folder, 'forebay.yaml'), JSON.stringify(settings, undefined, 2))
  return startServer({
    who: 'forebay',
    command: process.execPath,
    args: ['--max-semi-space-size=16', ...nodeOptions, 'src/main.ts', 'serve', '--config', join(folder, 'forebay.yaml')],
    port,
    log: join(folder, 'forebay.log'),
    cwd: project,
    readyPath: '/readyz',
  })
}

export const upstreamName = 'lab'
export const storeOf = (folder: string): string => join(folder, 'store')

/** Where the store in `folder` has a blob. */
export function storedBlob(folder: string, digest: string): string {
  const hex = digest.replace(/^sha256:/, '')
  return join(storeOf(folder), 'blobs', 'sha256', hex.slice(0, 2), hex)
}
