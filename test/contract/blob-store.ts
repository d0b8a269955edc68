import { describe } from 'vitest'
import { createBench, type OpenStore } from './blob-store/bench.ts'
import { committingPromises } from './blob-store/committing.ts'
import { keepingPromises } from './blob-store/keeping.ts'
import { readingPromises } from './blob-store/reading.ts'
import { spoolPromises } from './blob-store/spools.ts'

/** What every store of blobs on disk promises, whatever stands in front of it. */
export function blobStoreContract(name: string, open: OpenStore): void {
  describe(name, () => {
    const bench = createBench(open)
    committingPromises(bench)
    spoolPromises(bench)
    readingPromises(bench)
    keepingPromises(bench)
  })
}
