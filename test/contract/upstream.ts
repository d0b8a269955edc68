import { describe } from 'vitest'
import { createBench, type OpenUpstream } from './upstream/bench.ts'
import { blobPromises } from './upstream/blobs.ts'
import { failurePromises } from './upstream/failing.ts'
import { listPromises } from './upstream/lists.ts'
import { loginPromises } from './upstream/login.ts'
import { manifestPromises } from './upstream/manifests.ts'
import { redirectPromises } from './upstream/redirects.ts'

/** What every adapter of a registry promises; driven against a registry on loopback. */
export function upstreamContract(name: string, openOn: OpenUpstream): void {
  describe(name, () => {
    const bench = createBench(openOn)
    manifestPromises(bench)
    failurePromises(bench)
    loginPromises(bench)
    redirectPromises(bench)
    blobPromises(bench)
    listPromises(bench)
  })
}
