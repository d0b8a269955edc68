import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAccessWorld } from '../kit/access-world.ts'
import { ask } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { until, wrongBlobsOn } from '../kit/disk.ts'
import { createEveryKind, type EveryKind } from '../kit/every-kind.ts'
import { fuzzing, fuzzPatience, fuzzRuns } from '../kit/fuzz.ts'
import { type HostileRequest, hostileRequests } from '../kit/hostile-requests.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRawClient, type RawClient, type RawReply } from '../kit/raw-client.ts'
import { buildSif } from '../kit/sif.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const connections = 10
const statuses = new Set([
  ...[200, 206, 301, 302, 303, 304, 307, 308],
  ...[400, 401, 403, 404, 405, 406, 408, 412, 413, 414, 415, 416, 417, 421, 429, 431, 502, 503, 504],
])

const tool = image({ seed: 'fuzz', layers: [3000] })
const sif = buildSif({ arch: 'amd64', partitions: [{ bytes: Buffer.alloc(3000, 7), role: 2 }] })

const there = [
  ...[tool.manifest, ...tool.blobs].map(({ digest }) => `/blobs/${digest.replace(':', '/')}`),
  ...tool.blobs.map(({ digest }) => `/v2/lab.example/lab/tool/blobs/${digest}`),
  ...[`/v2/lab.example/lab/tool/manifests/${tool.manifest.digest}`, '/files/data/a.sif', '/library/lab/v1/imagefile/e/c/tool:v1'],
]

let inputs = 0
afterAll(() => expect(inputs, 'requests in all').toBeGreaterThanOrEqual(fuzzRuns(15_000)))

/** Asks them all over kept connections, each of which takes the next as soon as it has its answer. */
async function askAll(clients: readonly RawClient[], requests: readonly HostileRequest[]): Promise<void> {
  const waiting = [...requests]
  await Promise.all(
    clients.map(async (client) => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        inputs++
        try {
          const reply = await client.ask(next.method, next.bytes)
          const why = mistakeIn(next, reply)
          if (why) throw new Error(`${why}: ${reply.status} ${JSON.stringify(reply.body.toString('latin1', 0, 300))}`)
        } catch (error) {
          throw new Error(`${error instanceof Error ? error.message : error}, to ${JSON.stringify(next.bytes.slice(0, 600))}`)
        }
      }
    }),
  )
}

function mistakeIn({ method, target, bytes }: HostileRequest, { status, headers, body }: RawReply): string | undefined {
  // Who asks for a part looks at no status: there is none but the right one.
  const isPart = method !== 'HEAD' && /^\/+blobs[/?].*[?&]part=1/.test(target) && bytes.includes('\r\nRange:')
  if (isPart && status === 0) return undefined
  if (!statuses.has(status)) return 'a status that nobody knows'
  const type = headers.get('content-type') ?? ''
  if (type.startsWith('application/json') && method !== 'HEAD' && status !== 304 && body.length > 0 && status !== 206) {
    const why = mistakeInJson(target, status, body)
    if (why) return why
  }
  if (status === 405 && !headers.has('allow') && !target.startsWith('http')) return 'no Allow'
  if (status === 401 && !headers.has('www-authenticate')) return 'no challenge'
  if (status === 416 && !/^bytes \*\/\d+$/.test(headers.get('content-range') ?? '')) return 'no size'
  if (status === 429 && !headers.has('retry-after')) return 'nothing of when to come again'
  return undefined
}

/** An error looks as the clients of its door expect it to. */
function mistakeInJson(target: string, status: number, body: Buffer): string | undefined {
  const json = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>
  if (status < 400 || !target.startsWith('/')) return undefined
  const [, door = ''] = /^\/+([^/?]*)/.exec(target) ?? []
  if (['api', 'shub'].includes(door)) return typeof json.detail === 'string' ? undefined : 'no error of a shub registry'
  if (door === 'static') return typeof json.message === 'string' ? undefined : 'no error of static pages'
  if (['library', 'v1', 'version', 'assets', 'auth', 'pks'].includes(door))
    return (json.error as { message?: unknown } | undefined)?.message ? undefined : 'no error of a library'
  const [error] = (json.errors ?? []) as readonly { code?: string; message?: string }[]
  return error?.code && error.message ? undefined : 'no error of a registry'
}

async function throwAll(house: House, runs: number): Promise<void> {
  const clients = Array.from({ length: connections }, () => createRawClient(house.host))
  try {
    const batch = fc.array(hostileRequests(there), { minLength: 100, maxLength: 100 })
    await fc.assert(
      fc.asyncProperty(batch, (requests) => askAll(clients, requests)),
      { ...(fuzzing(runs / 100) as fc.Parameters<[HostileRequest[]]>), endOnFailure: true },
    )
  } finally {
    for (const client of clients) client[Symbol.dispose]()
  }
}

describe('a house with an upstream of each kind', () => {
  let folder: TempFolder
  let storePath: string
  let kinds: EveryKind
  let house: House
  let before: readonly string[]
  beforeAll(async () => {
    folder = await tempFolder()
    storePath = join(folder.path, 'deep', 'inside', 'store')
    kinds = await createEveryKind()
    kinds.registry.push('lab/tool', tool, 'v1')
    kinds.library.push('e/c/tool:v1', sif)
    kinds.shub.push('lab/tool:v1', sif)
    kinds.pages.push('lab/tool:v1', sif)
    kinds.files.put('a.sif', sif)
    house = await startHouse({
      ...kinds.settings,
      storePath,
      more: { ...kinds.settings.more, catalog: { negativeFor: '1m' } },
    })
    await ask(`${house.url}/files/data/a.sif`)
    await ask(`${house.url}/v2/lab.example/lab/tool/manifests/v1`)
    await until(async () => (await readdir(storePath)).includes('names'), 'what a house keeps')
    before = await readdir(storePath)
  })
  afterAll(async () => {
    await kinds[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
    await house.stop()
    await folder[Symbol.asyncDispose]()
  })

  test('answers whatever it is asked, in the form of the protocol', { timeout: fuzzPatience(120_000) }, async () => {
    await throwAll(house, 12_000)
    await until(async () => (await house.metric('edge_requests_open')) === 0, 'nobody is being answered')
    await until(async () => (await house.metric('transfer_fills_running')) === 0, 'nothing is being fetched')
  })

  test('still gives every image as it is', async () => {
    const [config, layer] = tool.blobs
    const whole: readonly (readonly [path: string, bytes: Buffer])[] = [
      ['/v2/lab.example/lab/tool/manifests/v1', tool.manifest.bytes],
      [`/v2/lab.example/lab/tool/blobs/${config!.digest}`, config!.bytes],
      [`/v2/lab.example/lab/tool/blobs/${layer!.digest}`, layer!.bytes],
      ['/library/lab/v1/imagefile/e/c/tool:v1', sif],
      ['/static/storage/lab/tool/blobs/v1', sif],
      ['/files/data/a.sif', sif],
    ]
    for (const [path, bytes] of whole) {
      const { status, body, end } = await ask(house.url + path)
      expect([path, status, end, body.equals(bytes)]).toEqual([path, 200, 'clean', true])
    }
  })

  test('has written nothing outside its store, and nothing wrong inside', async () => {
    expect(await readdir(folder.path)).toEqual(['deep'])
    expect(await readdir(join(folder.path, 'deep'))).toEqual(['inside'])
    expect(await readdir(join(folder.path, 'deep', 'inside'))).toEqual(['store'])
    expect((await readdir(storePath)).filter((name) => !before.includes(name))).toEqual([])
    expect(await wrongBlobsOn(storePath)).toEqual([])
  })

  test('has asked no upstream outside of where it is', () => {
    const { library, shub, pages, files, registry } = kinds
    const pathsOf = (requests: EveryKind['library']['requests']) =>
      requests.filter(({ on }) => on === 'registry').map(({ path }) => path)
    const outside = [
      ...pathsOf(files.requests).filter((path) => !path.startsWith('/pub/')),
      ...pathsOf(pages.requests).filter((path) => !path.startsWith('/container-storage/')),
      ...pathsOf(registry.requests).filter((path) => !path.startsWith('/v2/')),
      ...pathsOf(library.requests).filter((path) => !/^\/(?:v1\/|version$|assets\/)/.test(path)),
      ...pathsOf(shub.requests).filter((path) => !path.startsWith('/api/')),
    ]
    expect(outside).toEqual([])
    for (const one of [library, shub, pages, files, registry]) expect(one.requests.length).toBeGreaterThan(0)
  })
})

test('with rules for who may read what, nobody gets what is not meant for him', { timeout: fuzzPatience(120_000) }, async () => {
  await using world = await createAccessWorld({
    anonymous: 'pull',
    rules: [
      { upstream: 'lab.example', repositories: ['lab/*o*l'], users: ['alice'], allow: 'pull' },
      { upstream: 'lab.example', allow: 'none' },
      { upstream: 'data', repositories: ['secret/*'], allow: 'none' },
    ],
  })
  const secret = blob(2000, 'a secret')
  world.lab.push('lab/tool', tool, 'v1')
  world.data.put('secret/a.sif', secret.bytes)
  expect((await world.as('alice', '/v2/lab.example/lab/tool/manifests/v1')).status).toBe(200)
  expect([401, 403]).toContain((await world.as(undefined, '/files/data/secret/a.sif')).status)
  await throwAll(world.house, 3_000)
  expect(world.data.requests.filter(({ path }) => path.includes('secret'))).toEqual([])
  expect((await world.as('alice', '/v2/lab.example/lab/tool/manifests/v1')).body.equals(tool.manifest.bytes)).toBe(true)
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
})
