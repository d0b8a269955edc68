import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { createFakeFiles, type FakeFiles } from '../kit/files-upstream.ts'
import { createFakeLibrary, type FakeLibrary } from '../kit/library-upstream.ts'
import { type Contents, stock } from './contents.ts'
import { createDealer, type Dealer } from './deal.ts'
import type { Scale } from './scale.ts'
import type { Tally } from './tally.ts'

/** All upstreams and mirrors, with what they hold. */
export interface Places extends AsyncDisposable {
  readonly registry: FakeUpstream
  readonly mirror: FakeUpstream
  readonly library: FakeLibrary
  readonly files: FakeFiles
  readonly contents: Contents
  readonly dealer: Dealer
  /** Those that fail each for itself, by name. */
  readonly each: Readonly<Record<string, Place>>
  /** Body bytes that left them. */
  readonly bytesSent: number
}

export interface Place {
  /** Ends every connection and refuses new ones until it is reopened. */
  refuse(): Promise<void>
  reopen(): Promise<void>
}

export async function openPlaces(scale: Scale, seed: number, faults: Tally): Promise<Places> {
  let contents: Contents | undefined
  const dealer = createDealer({ seed, faults, item: (path) => contents?.at(path) })
  const registry = await createFakeUpstream({ deal: dealer.at('registry') })
  const mirror = await createFakeUpstream({ deal: dealer.at('mirror') })
  const library = await createFakeLibrary({ deal: dealer.at('library') })
  const files = await createFakeFiles(dealer.at('files'))
  const all = [registry, mirror, library, files]
  contents = stock(scale, seed, { registries: [registry, mirror], library, files })
  return {
    registry,
    mirror,
    library,
    files,
    contents,
    dealer,
    each: { registry, mirror, library, files },
    get bytesSent() {
      return all.flatMap(({ requests }) => requests).reduce((sum, { bodyBytesSent }) => sum + bodyBytesSent, 0)
    },
    async [Symbol.asyncDispose]() {
      for (const one of all) await one[Symbol.asyncDispose]()
    },
  }
}
