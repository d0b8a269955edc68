import { createFakeWeb, type FakeWeb, page } from './upstream/fake-web.ts'

/** A keyserver on loopback, that answers as HKP has it. */
export interface FakeKeyserver extends FakeWeb {
  /** By fingerprint, in capitals. */
  readonly keys: Map<string, string>
  /** Query strings of lookups, as they came. */
  readonly asked: readonly string[]
}

export async function createFakeKeyserver(basePath = ''): Promise<FakeKeyserver> {
  const keys = new Map<string, string>()
  const web = await createFakeWeb(({ path, query }) => {
    if (path !== `${basePath}/pks/lookup`) return page(404, 'no such page')
    const wanted = (query.get('search') ?? '').replace(/^0x/, '').toUpperCase()
    const found = [...keys].filter(([fingerprint]) => fingerprint.endsWith(wanted) || query.get('op') !== 'get')
    if (found.length === 0) return page(404, 'no such key')
    if (query.get('op') === 'get')
      return { status: 200, headers: { 'content-type': 'application/pgp-keys' }, bytes: Buffer.from(found[0]![1]) }
    const lines = [`info:1:${found.length}`, ...found.map(([fingerprint]) => `pub:${fingerprint}:1:4096:1700000000::`)]
    const headers = { 'content-type': 'text/html', 'x-hkp-next-page-token': 'page-2' }
    return { status: 200, headers, bytes: Buffer.from(`${lines.join('\n')}\n`) }
  })
  return {
    ...web,
    get bodies() {
      return web.bodies
    },
    keys,
    get asked() {
      return web.requests.map(({ query }) => String(query))
    },
  }
}
