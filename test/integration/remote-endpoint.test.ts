import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { type House, startHouse } from '../kit/house.ts'
import { createFakeKeyserver, type FakeKeyserver } from '../kit/keyserver.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createFakeLibrary } from '../kit/library-upstream.ts'
import { createLibraryWorld } from '../kit/library-world.ts'

expectNoLeaks()

const fingerprint = 'AB12'.repeat(10)
const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n'
const get = `op=get&exact=on&search=0x${fingerprint}`
const json = async (url: string) => JSON.parse((await ask(url)).body.toString())

describe('the remote endpoint', () => {
  test('says that everything is here', async () => {
    await using world = await createLibraryWorld()
    const { url } = world.house
    const services = { keystoreAPI: { uri: url }, tokenAPI: { uri: `${url}/auth` } }
    expect(await json(`${url}/assets/config/config.prod.json`)).toEqual({ libraryAPI: { uri: url }, ...services })
    expect(await json(`${url}/library/lab/assets/config/config.prod.json`)).toEqual({
      libraryAPI: { uri: `${url}/library/lab` },
      ...services,
    })
    expect((await ask(`${url}/library/nowhere/assets/config/config.prod.json`)).status).toBe(404)
    expect(world.library.asked).toEqual([])
  })

  test('says the public URL, whatever the request says it is asked as', async () => {
    await using world = await createLibraryWorld({ house: { more: { publicUrl: 'https://cache.site.example' } } })
    const { body } = await ask(`${world.house.url}/assets/config/config.prod.json`, { headers: { host: 'evil.example' } })
    expect(JSON.parse(body.toString()).libraryAPI.uri).toBe('https://cache.site.example')
  })

  test('says that it is not one, where there is no library or no public URL', async () => {
    await using house = await startHouse({ upstreams: { hub: { url: 'http://127.0.0.1:1' } } })
    expect((await ask(`${house.url}/assets/config/config.prod.json`)).status).toBe(404)
    await using wild = await createLibraryWorld({ house: { more: { listen: { host: '0.0.0.0', port: 0 } } } })
    const { status, body } = await ask(`${wild.house.url}/assets/config/config.prod.json`)
    expect([status, body.toString()]).toEqual([404, expect.stringContaining('publicUrl')])
  })

  test('has a version for each service, and nobody logged in', async () => {
    await using world = await createLibraryWorld()
    for (const path of ['version', 'auth/version', 'library/lab/version'])
      expect(await json(`${world.house.url}/${path}`)).toEqual({ data: { version: 'v0.0.0-test', apiVersion: '2.0.0-alpha.2' } })
    const user = await ask(`${world.house.url}/v1/rbac/users/current`)
    expect([user.status, JSON.parse(user.body.toString()).error.code]).toEqual([404, 404])
    expect((await ask(`${world.house.url}/auth/tokens`)).body.toString()).toContain('no tokens')
  })

  test('takes any token, as anybody may read, and none only where there is one', async () => {
    await using world = await createLibraryWorld()
    const status = async (authorization?: string) =>
      (await ask(`${world.house.url}/auth/v1/token-status`, { headers: authorization === undefined ? {} : { authorization } }))
        .status
    expect(await status(`Bearer ${'x'.repeat(300)}`)).toBe(200)
    expect(await status('BEARER abc')).toBe(200)
    for (const bad of [undefined, 'Bearer ', 'Basic abc']) expect(await status(bad), bad).toBe(404)
  })
})

interface Keys extends AsyncDisposable {
  readonly house: House
  readonly keyserver: FakeKeyserver
  lookup(query: string, headers?: Readonly<Record<string, string>>): ReturnType<typeof ask>
}

async function createKeys(clock = createHandClock()): Promise<Keys & { readonly clock: typeof clock }> {
  const keyserver = await createFakeKeyserver('/hkp')
  keyserver.keys.set(fingerprint, key)
  const upstreams = { lab: { kind: 'library', url: 'http://127.0.0.1:1', keyserver: `${keyserver.url}/hkp` } }
  const house = await startHouse({ upstreams, defaults: { library: 'lab' } }, clock)
  return {
    house,
    keyserver,
    clock,
    lookup: (query, headers = {}) => ask(`${house.url}/pks/lookup?${query}`, { headers }),
    async [Symbol.asyncDispose]() {
      await keyserver[Symbol.asyncDispose]()
      await house.stop()
    },
  }
}

const hour = 3_600_000

describe('keys', () => {
  test('are looked up where the settings say, and the token of the client stays here', async () => {
    await using keys = await createKeys()
    const reply = await keys.lookup(get, { authorization: 'Bearer of-the-client', cookie: 'a=b' })
    expect([reply.status, reply.headers['content-type'], reply.body.toString()]).toEqual([200, 'application/pgp-keys', key])
    expect(keys.keyserver.asked).toEqual([`op=get&search=0x${fingerprint}&exact=on`])
    for (const { headers } of keys.keyserver.requests) {
      expect(headers.authorization).toBeUndefined()
      expect(headers.cookie).toBeUndefined()
    }
    const head = await ask(`${keys.house.url}/pks/lookup?${get}`, { method: 'HEAD' })
    expect([head.status, head.headers['content-length']]).toEqual([200, String(key.length)])
  })

  test('are remembered for an hour, that there is none for a minute, and longer while nobody can be asked', async () => {
    await using keys = await createKeys()
    const { clock, keyserver } = keys
    await keys.lookup(get)
    expect((await keys.lookup('op=get&search=0xDEAD')).status).toBe(404)
    await clock.advance(59_000)
    expect((await keys.lookup('op=get&search=0xDEAD')).status).toBe(404)
    expect(keyserver.requests).toHaveLength(2)
    await clock.advance(2_000)
    keyserver.keys.set('DEAD', key)
    expect((await keys.lookup('op=get&search=0xDEAD')).status).toBe(200)
    await clock.advance(hour - 62_000)
    expect((await keys.lookup(get)).headers['cache-status']).toBe('forebay; hit')
    expect(keyserver.requests).toHaveLength(3)
    await clock.advance(2_000)
    keyserver.fault({}, { status: 403 })
    const stale = await keys.lookup(get)
    expect([stale.status, stale.headers['cache-status'], stale.body.toString()]).toEqual([200, 'forebay; fwd=stale', key])
    keyserver.heal()
    expect((await keys.lookup(get)).headers['cache-status']).toBe('forebay; fwd=miss')
  })

  test('that are long in coming are answered before clients give up, and are there for who asks next', async () => {
    await using keys = await createKeys()
    const gate = keys.keyserver.hold({ path: '/pks/' })
    const late = keys.lookup(get)
    await gate.arrived()
    await keys.clock.advance(4_100)
    expect((await late).status).toBe(504)
    gate.open()
    await keys.keyserver.quiet()
    await expect.poll(async () => (await keys.lookup(get)).status).toBe(200)
    expect(keys.keyserver.requests).toHaveLength(1)
  })

  test('are listed page by page', async () => {
    await using keys = await createKeys()
    const query = 'op=index&options=mr&fingerprint=on&search=somebody&x-pagesize=256&x-pagetoken=page-1&token=secret'
    const reply = await keys.lookup(query)
    expect([reply.status, reply.headers['content-type'], reply.headers['x-hkp-next-page-token']]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'page-2',
    ])
    expect(reply.body.toString()).toContain(`pub:${fingerprint}:`)
    expect(keys.keyserver.asked[0]).not.toContain('token=secret')
    expect(keys.keyserver.asked[0]).toContain('x-pagetoken=page-1')
  })

  test.each(['', 'op=get', 'op=put&search=x', `op=get&search=${'x'.repeat(2000)}`, 'search=x'])(
    '%j are not asked for',
    async (query) => {
      await using keys = await createKeys()
      const reply = await keys.lookup(query)
      expect([reply.status, reply.headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8'])
      expect(keys.keyserver.requests).toHaveLength(0)
    },
  )

  test('cannot be added', async () => {
    await using keys = await createKeys()
    const reply = await ask(`${keys.house.url}/pks/add`, { method: 'POST', body: 'keytext=x' })
    expect([reply.status, reply.body.toString()]).toEqual([405, expect.stringContaining('read-only')])
    expect(keys.keyserver.requests).toHaveLength(0)
  })

  test('are none where a page is given for one', async () => {
    await using keys = await createKeys()
    keys.keyserver.fault({}, { body: '<html>Welcome to the hotel</html>' })
    expect((await keys.lookup(get)).status).toBe(502)
    keys.keyserver.heal()
    expect((await keys.lookup(get)).status).toBe(200)
  })

  test('are looked up where the library says, if the settings do not', async () => {
    await using keyserver = await createFakeKeyserver()
    keyserver.keys.set(fingerprint, key)
    await using world = await createLibraryWorld({
      library: { keyserver: () => keyserver.url, basePath: '/lib' },
      house: { outbound: { allow: [keyserver.host] } },
      clock: createHandClock(),
    })
    for (const _ of [1, 2]) expect((await ask(`${world.house.url}/pks/lookup?${get}`)).body.toString()).toBe(key)
    expect((await ask(`${world.house.url}/library/lab/pks/lookup?${get}`)).status).toBe(200)
    expect(world.library.asked).toEqual(['GET /lib/assets/config/config.prod.json'])
    expect(keyserver.requests).toHaveLength(1)
  })

  test('are not looked up at a private place that only the library names', async () => {
    await using keyserver = await createFakeKeyserver()
    await using world = await createLibraryWorld({ library: { keyserver: () => keyserver.url }, clock: createHandClock() })
    const reply = await ask(`${world.house.url}/pks/lookup?${get}`)
    expect([reply.status, reply.body.toString()]).toEqual([502, expect.stringContaining('outbound.allow')])
    expect(keyserver.requests).toHaveLength(0)
  })

  test('are nowhere, and say what to set, where nobody names a keyserver', async () => {
    await using world = await createLibraryWorld({ clock: createHandClock() })
    const reply = await ask(`${world.house.url}/pks/lookup?${get}`)
    expect([reply.status, reply.body.toString()]).toEqual([404, expect.stringContaining('upstreams.lab.keyserver')])
    const asked = world.library.asked.length
    expect((await ask(`${world.house.url}/pks/lookup?${get}`)).status).toBe(404)
    expect(world.library.asked).toHaveLength(asked)
  })

  test('of other libraries are found too, as clients ask at the root only', async () => {
    await using one = await createFakeKeyserver()
    await using two = await createFakeKeyserver()
    two.keys.set(fingerprint, key)
    await using library = await createFakeLibrary()
    const upstreams = {
      first: { kind: 'library', url: library.url, keyserver: one.url },
      second: { kind: 'library', url: library.url, keyserver: two.url },
    }
    await using house = await startHouse({ upstreams, defaults: { library: 'first' } }, createHandClock())
    expect((await ask(`${house.url}/pks/lookup?${get}`)).status).toBe(200)
    expect([one.requests.length, two.requests.length]).toEqual([1, 1])
    expect((await ask(`${house.url}/library/first/pks/lookup?${get}`)).status).toBe(404)
    await sleep(0)
  })
})
