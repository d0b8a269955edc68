import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../src/system/clock.ts'
import type { Logger } from '../../src/system/log.ts'
import { blobsOn, filesBelow, until } from './disk.ts'
import { createFakeFiles, type FakeFiles } from './files-upstream.ts'
import { type House, type HouseSettings, startHouse } from './house.ts'
import { type TempFolder, tempFolder } from './temp-folder.ts'

export interface FilesWorldOptions {
  /** Of the upstream, besides its kind and URL. */
  readonly settings?: Readonly<Record<string, unknown>> | ((files: FakeFiles) => Readonly<Record<string, unknown>>)
  readonly house?: Partial<HouseSettings>
  readonly clock?: Clock
  readonly log?: Logger
}

/** A house with one tree of files behind it, known as `data`. What an upstream has not got is not remembered. */
export interface FilesWorld extends AsyncDisposable {
  readonly files: FakeFiles
  readonly house: House
  readonly folder: TempFolder
  /** URL of a file through the house. */
  url(path: string): string
  /** Settles once nothing is being fetched, and what is held is known by its name: the last byte leaves a moment before. */
  settled(): Promise<void>
  /** The house again, on what it has on disk. */
  restart(): Promise<void>
}

export async function createFilesWorld(options: FilesWorldOptions = {}): Promise<FilesWorld> {
  const files = await createFakeFiles()
  const folder = await tempFolder()
  const { settings = {}, house: more } = options
  const own = typeof settings === 'function' ? settings(files) : settings
  const begin = () =>
    startHouse(
      {
        outbound: { allow: [files.files.host] },
        ...more,
        upstreams: { data: { kind: 'files', url: files.base, ...own }, ...more?.upstreams },
        storePath: folder.path,
        // A busy machine is no slow upstream.
        more: { ...more?.more, catalog: { negativeFor: '0s', answerDeadline: '40s', ...(more?.more?.catalog as object) } },
      },
      options.clock,
      options.log,
    )
  let house = await begin()
  const wasNamed = new Set<string>() // what an earlier version was has no name any more

  /** What has gone again by then is nothing. */
  async function namesOnDisk(): Promise<string> {
    const root = join(folder.path, 'names')
    const texts = (await filesBelow(root)).map((file) => readFile(join(root, file), 'utf8').catch(() => ''))
    return (await Promise.all(texts)).join()
  }

  async function isNamed(): Promise<boolean> {
    const [names, blobs] = [await namesOnDisk(), await blobsOn(folder.path)]
    for (const digest of blobs) if (names.includes(digest)) wasNamed.add(digest)
    return blobs.every((digest) => wasNamed.has(digest))
  }

  return {
    files,
    folder,
    get house() {
      return house
    },
    url: (path) => `${house.url}/files/data/${path}`,
    async settled() {
      await until(async () => (await house.metric('transfer_fills_running')) === 0, 'no fill')
      await until(isNamed, 'a name of each blob')
    },
    async restart() {
      await house.stop()
      house = await begin()
    },
    async [Symbol.asyncDispose]() {
      await files[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}
