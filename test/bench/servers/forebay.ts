import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, type Server, startServer } from './server.ts'

const project = join(import.meta.dirname, '..', '..', '..')

export interface ForebayOptions {
  readonly nodeOptions: readonly string[]
  readonly mirrors?: readonly number[] // ports, in the order of the settings
  /** The upstream is a library too, and meant where none is named. */
  readonly isLibrary?: boolean
  /** It listens on every address and has no public URL: clients are sent nowhere else. */
  readonly isNameless?: boolean
  readonly workers?: number
}

/** Forebay over the store in `folder`, as an operator runs it, without a line for each request. */
export async function startForebay(
  folder: string,
  upstreamPort: number,
  { nodeOptions, mirrors = [], isLibrary = false, isNameless = false, workers }: ForebayOptions,
): Promise<Server> {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const settings = {
    listen: { host: isNameless ? '0.0.0.0' : '127.0.0.1', port },
    store: { path: storeOf(folder) },
    upstreams: {
      [upstreamName]: {
        kind: 'oci',
        url: `http://127.0.0.1:${upstreamPort}`,
        mirrors: mirrors.map((port) => ({ url: `http://127.0.0.1:${port}` })),
      },
      ...(isLibrary && { [libraryName]: { kind: 'library', url: `http://127.0.0.1:${upstreamPort}` } }),
    },
    defaults: { oci: upstreamName, ...(isLibrary && { library: libraryName }) },
    log: { level: 'warn', access: false },
  }
  const spread = workers === undefined ? [] : ['--workers', String(workers)]
  // JSON is YAML.
  await writeFile(join(folder, 'forebay.yaml'), JSON.stringify(settings, undefined, 2))
  return startServer({
    who: workers === undefined ? 'forebay' : `${workers} workers`,
    command: process.execPath,
    args: [
      '--max-semi-space-size=16',
      ...nodeOptions,
      'src/main.ts',
      'serve',
      '--config',
      join(folder, 'forebay.yaml'),
      ...spread,
    ],
    port,
    log: join(folder, 'forebay.log'),
    cwd: project,
    readyPath: '/readyz',
  })
}

export const upstreamName = 'lab'
const libraryName = 'library'
export const storeOf = (folder: string): string => join(folder, 'store')

/** Where the store in `folder` has a blob. */
export function storedBlob(folder: string, digest: string): string {
  const hex = digest.replace(/^sha256:/, '')
  return join(storeOf(folder), 'blobs', 'sha256', hex.slice(0, 2), hex)
}
