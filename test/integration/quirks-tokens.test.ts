import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import type { AuthOptions, BearerOptions } from '../kit/upstream/auth.ts'
import { listen } from '../kit/upstream/listener.ts'
import { createWorld, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'quirks', layers: [3000, 4000] })
const other = blob(3000, 'other')

interface Login {
  readonly username: string
  readonly password: string
}

async function worldOf(auth: AuthOptions, login?: Login): Promise<World> {
  const world = await createWorld({
    upstream: { auth },
    settings: login && { credentials: { username: login.username, password: { env: 'FOREBAY_TEST_PASSWORD' } } },
    house: { env: login ? { FOREBAY_TEST_PASSWORD: login.password } : {} },
  })
  world.upstream.push('lab/tool', tool, 'v1')
  return world
}

const bearer = (options: BearerOptions = {}): AuthOptions => ({ kind: 'bearer', ...options })

async function expectPulled(world: World): Promise<void> {
  expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
  for (const { digest } of tool.blobs)
    expect(await ask(world.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest })
}

const realm = { on: 'realm' } as const

describe('the token flow', () => {
  test('asks one token for a repository, however much is pulled at once', async () => {
    await using world = await worldOf(bearer())
    const gate = world.upstream.hold(realm)
    const asked = Promise.all([
      ask(world.manifest('lab/tool', 'v1')),
      ...tool.blobs.map(({ digest }) => ask(world.blob('lab/tool', digest))),
    ])
    await gate.arrived()
    await world.house.requestsOpen(4)
    gate.open()
    for (const reply of await asked) expect(reply.status).toBe(200)
    expect(world.upstream.count(realm)).toBe(1)
    expect(world.upstream.requests.find(({ on }) => on === 'realm')?.query.getAll('scope')).toEqual(['repository:lab/tool:pull'])
  })

  test('renews a token before it ends, and does not ask for one at each request', async () => {
    await using world = await worldOf(bearer({ expiresIn: 3600 }))
    await expectPulled(world)
    world.upstream.pushBlob('lab/tool', other)
    expect((await ask(world.blob('lab/tool', other.digest))).status).toBe(200)
    expect(world.upstream.count(realm)).toBe(1)
  })

  test('sends a user and password to the realm only, and its token to the registry only', async () => {
    await using world = await worldOf(bearer({ users: { 'org+robot': 'pass:word' }, anonymous: false }), {
      username: 'org+robot',
      password: 'pass:word',
    })
    await expectPulled(world)
    for (const { on, headers } of world.upstream.requests) {
      if (headers.authorization !== undefined) expect(headers.authorization).toMatch(on === 'realm' ? /^Basic / : /^Bearer /)
    }
  })

  test.each([
    {
      name: 'a key that is JSON, as Google wants',
      login: { username: '_json_key', password: '{"type": "service:account",\n "x": "é"}' },
    },
    { name: 'a user that begins with a dollar sign', login: { username: '$oauthtoken', password: 'nvapi-1234' } },
  ])('takes $name', async ({ login }) => {
    await using world = await worldOf(bearer({ users: { [login.username]: login.password }, anonymous: false }), login)
    await expectPulled(world)
    expect(world.upstream.tokens.map(({ user }) => user)).toEqual([login.username])
  })

  test('is not taken in by wrong credentials: the client gets 403, and no challenge it could not meet', async () => {
    await using world = await worldOf(bearer({ users: { ada: 'right' }, anonymous: false }), {
      username: 'ada',
      password: 'wrong',
    })
    const reply = await ask(world.manifest('lab/tool', 'v1'))
    expect([reply.status, errorCodes(reply), reply.headers['www-authenticate']]).toEqual([403, ['DENIED'], undefined])
  })
})

describe('registries with ways of their own', () => {
  test('ghcr.io: a placeholder scope in the challenge is not what is asked for', async () => {
    await using world = await worldOf(bearer({ scope: 'repository:user/image:pull' }))
    await expectPulled(world)
    expect(world.upstream.tokens.map(({ scope }) => scope)).toEqual(
      expect.arrayContaining([expect.stringContaining('repository:lab/tool:pull')]),
    )
  })

  test('nvcr.io: a realm without a service is asked without one', async () => {
    await using world = await worldOf(bearer({ service: undefined }))
    await expectPulled(world)
    expect(world.upstream.requests.find(({ on }) => on === 'realm')?.query.has('service')).toBe(false)
  })

  test('nvcr.io: an expired token is answered with a realm that refuses us; the first question without a token names the right one', async () => {
    await using world = await worldOf(bearer())
    await ask(world.manifest('lab/tool', 'v1'))
    world.upstream.expireTokens()
    const wrong = `Bearer realm="${world.upstream.url}/token/members-only",service="fake-registry",scope="repository:lab/tool:pull"`
    world.upstream.fault({ path: '/token/members-only' }, { status: 401 })
    world.upstream.fault({ path: '/blobs/', nth: 1 }, { status: 401, headers: { 'www-authenticate': wrong } })
    const { digest } = tool.blobs[0]!
    expect(await ask(world.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest })
  })

  test('gcr.io: a 401 without a challenge is met with that of the ping', async () => {
    await using world = await worldOf(bearer())
    world.upstream.fault(
      { path: (path) => path !== '/v2/', on: 'registry', nth: 1 },
      { status: 401, body: '{"errors":[{"code":"UNAUTHORIZED"}]}' },
    )
    await expectPulled(world)
    expect(world.upstream.count({ path: /^\/v2\/$/ })).toBeGreaterThan(0)
  })

  test('dhi.io: an expired token answered with a bare 401 is dropped, and all begins again', async () => {
    await using world = await worldOf(bearer())
    await ask(world.manifest('lab/tool', 'v1'))
    world.upstream.expireTokens()
    world.upstream.fault({ path: '/blobs/', nth: 1 }, { status: 401 })
    const { digest } = tool.blobs[0]!
    expect(await ask(world.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest })
  })

  test('ECR: Basic on every request, and never to the redirect target', async () => {
    await using world = await createWorld({
      upstream: { auth: { kind: 'basic', users: { AWS: 'twelve-hours' } }, redirect: {} },
      settings: { credentials: { username: 'AWS', password: { env: 'FOREBAY_TEST_PASSWORD' } } },
      house: { env: { FOREBAY_TEST_PASSWORD: 'twelve-hours' } },
    })
    world.upstream.push('lab/tool', tool, 'v1')
    await expectPulled(world)
    expect(world.upstream.cdn.sawAuthorization).toBe(false)
  })

  test('ACR: a realm that refuses GET is asked by POST', async () => {
    await using world = await worldOf(
      bearer({ methods: ['POST'], users: { ada: 'secret' }, anonymous: false, field: 'access_token' }),
      {
        username: 'ada',
        password: 'secret',
      },
    )
    await expectPulled(world)
    expect(world.upstream.tokens.map(({ user }) => user)).toEqual(['ada'])
  })

  test('Artifactory: a realm that answers POST with 401 is asked by GET', async () => {
    await using world = await worldOf(bearer({ users: { ada: 'secret' }, anonymous: false }), {
      username: 'ada',
      password: 'secret',
    })
    world.upstream.fault({ ...realm, method: 'POST' }, { status: 401 })
    await expectPulled(world)
  })

  test('a token that is called access_token and does not say how long it lives is used', async () => {
    await using world = await worldOf(bearer({ field: 'access_token', expiresIn: 'unsaid' }))
    await expectPulled(world)
    expect(world.upstream.count(realm)).toBe(1)
  })

  test('several challenges in one header are told apart, whatever their case', async () => {
    await using world = await worldOf(bearer())
    const challenge = `Negotiate, BASIC realm="a, b", bearer Realm="${world.upstream.url}/token", scope="repository:lab/tool:pull,push" , service="a \\"quoted\\" one"`
    world.upstream.fault({ path: 'lab/tool', nth: 1 }, { status: 401, headers: { 'www-authenticate': challenge } })
    await expectPulled(world)
    expect(world.upstream.requests.find(({ on }) => on === 'realm')?.query.get('service')).toBe('a "quoted" one')
  })
})

describe('a realm somewhere else', () => {
  test('is asked, password and all, where the settings name it as a token service', async () => {
    const asked: (string | undefined)[] = []
    let registry = ''
    const service = await listen(
      async (request, response) => {
        asked.push(request.headers.authorization)
        const { authorization = '' } = request.headers
        const answer = await fetch(`${registry}${request.url}`, { headers: { authorization } })
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
      },
      { address: '127.0.0.2' },
    )
    try {
      const options: WorldOptions = {
        upstream: { auth: bearer({ realm: `http://${service.host}/token`, users: { ada: 'secret' }, anonymous: false }) },
        settings: { credentials: { username: 'ada', password: { env: 'FOREBAY_TEST_PASSWORD' } }, tokenServices: ['127.0.0.2'] },
        house: { env: { FOREBAY_TEST_PASSWORD: 'secret' } },
      }
      await using world = await createWorld({
        ...options,
        house: { ...options.house, outbound: { allow: [service.host] } },
      })
      registry = world.upstream.url
      world.upstream.push('lab/tool', tool, 'v1')
      await expectPulled(world)
      expect(asked).toEqual([`Basic ${Buffer.from('ada:secret').toString('base64')}`])
    } finally {
      await service.close()
    }
  })

  test('that is private and that nobody configured is not asked, and gets no password', async () => {
    await using elsewhere = await createFakeUpstream({ auth: bearer() })
    await using world = await worldOf(bearer({ realm: `${elsewhere.url}/token`, users: { ada: 'secret' }, anonymous: false }), {
      username: 'ada',
      password: 'secret',
    })
    const reply = await ask(world.manifest('lab/tool', 'v1'))
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(elsewhere.requests).toEqual([])
  })

  test.each(['file:///etc/passwd', 'http://169.254.169.254/latest', 'not a url', ''])('at "%s" is not asked', async (realm) => {
    await using world = await worldOf(bearer({ realm }))
    const reply = await ask(world.manifest('lab/tool', 'v1'))
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.end).toBe('clean')
  })

  test('that answers too much, or nonsense, or nothing usable is a failure of the upstream', async () => {
    for (const body of [`{"token":"${'x'.repeat(200_000)}"}`, '{"token":', '{"token":17}', '[]', '{"token":"line\\nbreak"}']) {
      await using world = await worldOf(bearer())
      world.upstream.fault(realm, { status: 200, body })
      const reply = await ask(world.manifest('lab/tool', 'v1'))
      expect([body.slice(0, 20), [502, 403].includes(reply.status)]).toEqual([body.slice(0, 20), true])
      expect((await ask(`${world.house.url}/v2/`)).status).toBe(200)
    }
  })
})
