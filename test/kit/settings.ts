import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { tempFolder } from './temp-folder.ts'

/** What a test says of one upstream, as the settings file has it; `kind: oci` unless said. */
export interface UpstreamSettings {
  readonly url: string
  readonly [setting: string]: unknown
}

/** The settings file of a house under test, less what every one has. */
export interface HouseSettings {
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>
  readonly defaults?: { readonly [kind in 'oci' | 'library' | 'shub']?: string }
  readonly outbound?: Readonly<Record<string, unknown>>
  readonly storePath?: string // kept when the house stops; a folder of its own unless said
  readonly env?: Readonly<Record<string, string>>
  readonly more?: Readonly<Record<string, unknown>> // other sections
}

/** The settings as a file on disk, and where the house they describe keeps its things. */
export interface WrittenSettings {
  readonly file: string
  readonly storePath: string
  /** Writes others into the same file. */
  rewrite(settings: HouseSettings): Promise<void>
  /** Deletes the file, and the store unless the test brought its own. */
  remove(): Promise<void>
}

export async function writeSettings(settings: HouseSettings, port: number): Promise<WrittenSettings> {
  const folder = await tempFolder()
  const storePath = settings.storePath ?? join(folder.path, 'store')
  await mkdir(storePath, { recursive: true })
  const file = join(folder.path, 'settings.yaml')
  const write = (settings: HouseSettings) => writeFile(file, stringify(documentOf(settings, storePath, port)))
  await write(settings)
  return { file, storePath, rewrite: write, remove: async () => folder[Symbol.asyncDispose]() }
}

function documentOf(settings: HouseSettings, storePath: string, port: number): object {
  return {
    listen: { host: '127.0.0.1', port },
    store: { path: storePath },
    upstreams: Object.fromEntries(Object.entries(settings.upstreams).map(([name, one]) => [name, { kind: 'oci', ...one }])),
    ...(settings.defaults && { defaults: settings.defaults }),
    ...(settings.outbound && { outbound: settings.outbound }),
    drainTimeout: '5s',
    ...settings.more,
  }
}
