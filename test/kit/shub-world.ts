import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../src/system/clock.ts'
import { ask, type Reply } from './ask.ts'
import { filesBelow } from './disk.ts'
import { type House, type HouseSettings, startHouse } from './house.ts'
import { type HouseProcess, startHouseProcess } from './house-process.ts'
import { createFakeShub, type FakeShub, type FakeShubOptions } from './shub-upstream.ts'
import { tempFolder } from './temp-folder.ts'

/** What clients read of our manifests. */
export interface Manifest {
  readonly image: string
  readonly commit: string
  readonly version: string
  readonly collection: string
  readonly name: string
  readonly tag: string
}

export interface ShubWorldOptions {
  readonly settings?: Readonly<Record<string, unknown>> // of the upstream
  readonly house?: Partial<HouseSettings>
  readonly shub?: FakeShubOptions
  readonly clock?: Clock
}

/** A house with one shub registry behind it, `hub`, which is also meant where none is named. */
export interface ShubWorld extends AsyncDisposable {
  readonly shub: FakeShub
  readonly house: House
  readonly api: string // URL through the house
  /** The house again, on what it has on disk. */
  restart(): Promise<void>
}

export async function createShubWorld({
  settings,
  house: more,
  shub: options,
  clock,
}: ShubWorldOptions = {}): Promise<ShubWorld> {
  const shub = await createFakeShub(options)
  const folder = await tempFolder()
  const begin = () => startHouse({ ...settingsFor(shub, settings, more), storePath: join(folder.path, 'store') }, clock)
  let house = await closingUnless(begin(), shub, folder)
  return {
    shub,
    get house() {
      return house
    },
    get api() {
      return `${house.url}/api`
    },
    async restart() {
      await house.stop()
      house = await begin()
    },
    async [Symbol.asyncDispose]() {
      await shub[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** The same with the house as a process of its own, which logs all it can. */
export async function createLoggedShubWorld() {
  const shub = await createFakeShub()
  const folder = await tempFolder()
  const storePath = join(folder.path, 'store')
  const { more, ...settings } = settingsFor(shub)
  const starting = startHouseProcess({ ...settings, storePath, more: { ...more, log: { level: 'debug' } } })
  const house: HouseProcess = await closingUnless(starting, shub, folder)
  return {
    shub,
    house,
    api: `${house.url}/api`,
    /** What it has printed and what it keeps, as text; what goes away meanwhile is left out. */
    async written(): Promise<readonly string[]> {
      const files = await filesBelow(storePath)
      const kept = await Promise.all(files.map((file) => readFile(join(storePath, file), 'latin1').catch(() => '')))
      return [house.output(), files.join('\n'), ...kept]
    },
    async [Symbol.asyncDispose]() {
      await shub[Symbol.asyncDispose]()
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Leaves nothing open where a house does not start. */
async function closingUnless<T>(starting: Promise<T>, ...open: readonly AsyncDisposable[]): Promise<T> {
  try {
    return await starting
  } catch (error) {
    for (const one of open) await one[Symbol.asyncDispose]()
    throw error
  }
}

function settingsFor(
  shub: FakeShub,
  settings: Readonly<Record<string, unknown>> = {},
  more: Partial<HouseSettings> = {},
): HouseSettings {
  return {
    outbound: { allow: [shub.files.host] },
    ...more,
    upstreams: { hub: { kind: 'shub', url: shub.url, ...settings }, ...more.upstreams },
    more: { defaults: { shub: 'hub' }, ...more.more },
  }
}

/** The manifest of an image and, where it names one, the image: what a client does that compares no hash. */
export async function pull(
  world: { readonly api: string },
  reference: string,
): Promise<{ reply: Reply; manifest: Manifest; image: Reply }> {
  const { reply, manifest } = await manifestOf(world, reference)
  return { reply, manifest, image: manifest.image === undefined ? reply : await ask(manifest.image) }
}

export async function manifestOf(
  world: { readonly api: string },
  reference: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ reply: Reply; manifest: Manifest }> {
  const reply = await ask(`${world.api}/container/${reference}`, { headers })
  return { reply, manifest: JSON.parse(reply.body.toString()) as Manifest }
}
