import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../src/system/clock.ts'
import type { Logger } from '../../src/system/log.ts'
import { ask } from './ask.ts'
import { type House, type HouseSettings, startHouse, type UpstreamSettings } from './house.ts'
import { createFakeLibrary, type FakeLibrary, type FakeLibraryOptions } from './library-upstream.ts'

/** A house with one library behind it, known as `lab`, which is meant where none is named. */
export interface LibraryWorld extends AsyncDisposable {
  readonly house: House
  readonly library: FakeLibrary
  /** Settles once an image is stored: the last byte leaves a moment before. */
  stored(reference: string): Promise<void>
}

export interface LibraryWorldOptions {
  readonly library?: FakeLibraryOptions
  readonly settings?: Partial<UpstreamSettings> // of the upstream
  readonly house?: Partial<HouseSettings>
  readonly clock?: Clock
  readonly log?: Logger
}

export async function createLibraryWorld(options: LibraryWorldOptions = {}): Promise<LibraryWorld> {
  const library = await createFakeLibrary(options.library)
  try {
    const house = await startHouse(
      {
        ...options.house,
        upstreams: { lab: { kind: 'library', url: library.url, ...options.settings }, ...options.house?.upstreams },
        defaults: { library: 'lab' },
        outbound: { allow: [library.files.host], ...options.house?.outbound },
        // A busy machine is no slow upstream.
        more: { ...options.house?.more, catalog: { answerDeadline: '40s', ...(options.house?.more?.catalog as object) } },
      },
      options.clock,
      options.log,
    )
    return {
      house,
      library,
      async stored(reference) {
        const isCounted = async () => (await ask(`${house.url}/v1/images/${reference}`)).body.includes('"size":')
        for (const end = Date.now() + 30_000; !(await isCounted()); await sleep(20))
          if (Date.now() > end) throw new Error(`${reference} was not stored`)
      },
      async [Symbol.asyncDispose]() {
        await library[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
        await house.stop()
      },
    }
  } catch (error) {
    await library[Symbol.asyncDispose]()
    throw error
  }
}
