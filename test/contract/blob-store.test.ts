import { createDiskStore } from '../../src/store/disk-store.ts'
import { createHotStore } from '../../src/store/hot-store.ts'
import { MiB } from '../kit/blobs.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { blobStoreContract } from './blob-store.ts'

expectNoLeaks()

blobStoreContract('the disk store', (at) => createDiskStore({ ...at, log: createRecordedLog() }))

blobStoreContract('the memory in front of it', async (at) => {
  const store = await createDiskStore({ ...at, log: createRecordedLog() })
  return createHotStore({ store, now: at.clock.now, maxBytes: 8 * MiB })
})
