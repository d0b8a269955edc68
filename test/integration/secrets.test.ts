import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, type Reply } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { filesBelow } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type HouseProcess, startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const password = 'correct-horse-battery'
const fromFile = 'staple-in-a-file'
const tool = image({ seed: 'secrets', layers: [3000] })
const layer = blob(2 * MiB, 'secrets')

let bearer: FakeUpstream
let basic: FakeUpstream
let folder: TempFolder
let house: HouseProcess
const replies: Reply[] = []

beforeAll(async () => {
  folder = await tempFolder()
  bearer = await createFakeUpstream({ auth: { kind: 'bearer', users: { ada: password }, anonymous: false }, redirect: {} })
  basic = await createFakeUpstream({ auth: { kind: 'basic', users: { bob: fromFile } } })
  for (const upstream of [bearer, basic]) {
    upstream.push('lab/tool', tool, 'v1')
    upstream.pushBlob('lab/tool', layer)
  }
  await mkdir(join(folder.path, 'secrets'))
  await writeFile(join(folder.path, 'secrets', 'bob'), `${fromFile}\n`)
  house = await startHouseProcess({
    upstreams: {
      [lab]: { url: bearer.url, freshFor: '0s', credentials: { username: 'ada', password: { env: 'FOREBAY_TEST_PASSWORD' } } },
      'basic.example': {
        url: basic.url,
        credentials: { username: 'bob', password: { file: join(folder.path, 'secrets', 'bob') } },
      },
    },
    defaults: { oci: lab },
    outbound: { allow: [bearer.cdn.host] },
    storePath: join(folder.path, 'store'),
    env: { FOREBAY_TEST_PASSWORD: password },
    more: { log: { level: 'debug' } },
  })
})
afterAll(async () => {
  await house.stop()
  await Promise.all([bearer.close(), basic.close()])
  await folder[Symbol.asyncDispose]()
})

async function pull(): Promise<void> {
  for (const name of [lab, 'basic.example']) {
    const here = urlsOf(house.url, name)
    for (const url of [here.manifest('lab/tool', 'v1'), here.manifest('lab/tool', 'none'), here.blob('lab/tool', layer.digest)]) {
      replies.push(
        await ask(url, { headers: { authorization: `Basic ${Buffer.from('client:client-secret').toString('base64')}` } }),
      )
      replies.push(await ask(`${url}?token=in-the-query`, { method: 'HEAD', headers: { cookie: 'session=in-a-cookie' } }))
    }
  }
}

test('no answer, no log line and no file holds a password, a token or a signature, whatever goes wrong', async () => {
  await pull()
  const troubles = [
    () => bearer.fault({ on: 'realm' }, { status: 500, body: `no ${password}` }),
    () => bearer.fault({ on: 'cdn' }, { status: 403 }),
    () => bearer.fault({ on: 'cdn' }, { reset: true }),
    () => bearer.fault({ path: '/manifests/' }, { status: 401 }),
    () => basic.fault({}, { status: 401, headers: { 'www-authenticate': 'Basic realm="again"' } }),
    () => basic.fault({}, { status: 500 }),
    () =>
      bearer.fault(
        { path: '/blobs/' },
        { status: 307, headers: { location: `http://user:${password}@127.0.0.1:1/x?X-Signature=leaky` } },
      ),
  ]
  for (const trouble of troubles) {
    trouble()
    bearer.expireTokens()
    const fresh = blob(2 * MiB, `secrets ${replies.length}`)
    for (const upstream of [bearer, basic]) upstream.pushBlob('lab/tool', fresh)
    replies.push(await ask(urlsOf(house.url).blob('lab/tool', fresh.digest)))
    replies.push(await ask(urlsOf(house.url, 'basic.example').blob('lab/tool', fresh.digest)))
    await pull()
    bearer.heal()
    basic.heal()
  }
  for (const path of ['/metrics', '/healthz', '/readyz', '/v2/_catalog']) replies.push(await ask(house.url + path))
  expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThan(8)
  expect(replies.filter(({ status }) => status >= 400).length).toBeGreaterThan(8)
  await house.stop()

  const secrets = [
    password,
    fromFile,
    'client-secret',
    'in-the-query',
    'in-a-cookie',
    'leaky',
    Buffer.from(`ada:${password}`).toString('base64'),
    Buffer.from(`bob:${fromFile}`).toString('base64'),
    Buffer.from('client:client-secret').toString('base64'),
    ...bearer.tokens.map(({ token }) => token),
    ...bearer.requests.flatMap(({ query }) => query.get('X-Signature') ?? []),
  ]
  expect(bearer.tokens.length).toBeGreaterThan(1)
  const said = replies
    .map(({ rawHeaders, body, status }) => (status === 200 ? '' : body.toString()) + rawHeaders.join('\n'))
    .join('\n')
  const output = house.output()
  expect(output.split('\n').length).toBeGreaterThan(20)
  const kept: string[] = []
  for (const file of await filesBelow(join(folder.path, 'store'))) {
    if (!file.startsWith('blobs/')) kept.push((await readFile(join(folder.path, 'store', file))).toString('latin1'))
  }
  for (const secret of new Set(secrets)) {
    expect(said.includes(secret), `an answer says ${secret}`).toBe(false)
    expect(output.includes(secret), `the log says ${secret}`).toBe(false)
    expect(kept.join('\n').includes(secret), `a file holds ${secret}`).toBe(false)
  }
})
