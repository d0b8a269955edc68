import { createHttp } from '../../src/system/http.ts'
import { createBudget } from '../../src/upstream/budget.ts'
import { createOciUpstream } from '../../src/upstream/oci.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { hub } from '../kit/questions.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { upstreamContract } from './upstream.ts'

expectNoLeaks()

upstreamContract('a registry', (url, { credentials, allow = [], realms = [] }) => {
  const http = createHttp({
    origins: [url],
    allow,
    proxies: { no: [] },
    ca: [],
    connectTimeoutMs: 30_000,
    headersTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    userAgent: 'forebay/test',
  })
  // Pauses between tries pass at once: what is promised is how often, not how long.
  const clock = { now: () => Date.now(), sleep: async () => {} }
  const upstream = createOciUpstream({
    id: hub,
    url,
    http,
    clock,
    credentials: async () => credentials,
    isPublic: credentials === undefined,
    maxConnections: 2,
    realms,
    budget: createBudget({ id: hub, url, reserve: { share: 0.1 }, clock, log: createRecordedLog() }),
  })
  return { upstream, close: () => http.close() }
})
