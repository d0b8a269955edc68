import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Keeping, Target } from '../../../src/catalog/catalog.ts'
import { connectRemoteCatalog, type RemoteCatalog } from '../../../src/cli/remote-catalog.ts'
import { createAdmin } from '../../../src/edge/routes/admin.ts'
import { type Digest, parseDigest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Ask } from '../../../src/model/principal.ts'
import { parseFilePath, parseImageName, parseRepository, parseTag, type UpstreamId } from '../../../src/model/reference.ts'
import { openSocketPath } from '../../../src/system/socket-path.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

const digest = parseDigest(`sha256:${'ab'.repeat(32)}`)
const place = { upstream: 'registry.example:5000' as UpstreamId, repository: parseRepository('a/b') }
const lib = { upstream: 'sylabs' as UpstreamId, name: parseImageName('e/c/Name') }
const targets: readonly Target[] = [
  { kind: 'digest', digest },
  { kind: 'manifest', ...place, pointer: parseTag('v1.0_x') },
  { kind: 'manifest', ...place, pointer: digest },
  { kind: 'blob', ...place, digest },
  { kind: 'image', ...lib, pointer: 'v1', arch: 'arm64' },
  { kind: 'image', ...lib, pointer: `sha256.${'ab'.repeat(32)}`, arch: undefined },
  { kind: 'file', upstream: 'data' as UpstreamId, path: parseFilePath('a%20b/x?.sif') },
]
const image = {
  kind: 'oci' as const,
  name: 'docker.io/library/ubuntu:v1',
  ...place,
  pointer: 'v1',
  digest,
  mediaType: 'x/y',
  size: 1,
  missing: 0,
  isPinned: false,
  createdAt: 1,
  lastUsed: 2,
  checkedAt: 3,
}

let folder: TempFolder
let errors: unknown[] = []
const log = { error: (event: string, fields?: object) => void errors.push({ event, ...fields }) }
let closing: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  folder = await tempFolder()
})
afterEach(async () => {
  for (const close of closing) await close()
  closing = []
  errors = []
  await folder[Symbol.asyncDispose]()
})

async function listen(handle: RequestListener, path = join(folder.path, 'command.sock')): Promise<string> {
  mkdirSync(dirname(path), { recursive: true })
  const address = openSocketPath(path)
  const server: Server = createServer(handle).listen(address.path)
  await once(server, 'listening')
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    address[Symbol.dispose]()
  })
  return path
}

async function connected(path: string): Promise<RemoteCatalog> {
  const remote = await connectRemoteCatalog(path)
  closing.unshift(async () => remote![Symbol.dispose]())
  return remote!
}

async function over(keeping: Partial<Keeping>, path?: string): Promise<Keeping> {
  const handle = getRequestListener(createAdmin(keeping as Keeping, log).fetch, { overrideGlobalObjects: false })
  return (await connected(await listen(handle, path))).catalog
}

function ask(signal = new AbortController().signal): Ask {
  return { principal: { kind: 'operator' }, signal, requestId: 'command-7' }
}

describe('the verbs of a server, over its socket', () => {
  test.each([
    { url: 'https://metalinks.example/a%20b.meta4?x=1&from=y' },
    { bytes: Uint8Array.from([0, 255, 60, 195, 40]), from: '/tmp/ä b&c.meta4' },
  ])('a metalink arrives as it was sent: %j', async (document) => {
    const arrived: unknown[] = []
    const catalog = await over({
      getFiles: async (what) => {
        arrived.push(what)
        return []
      },
    })
    expect(await catalog.getFiles(document, ask())).toEqual([])
    expect(arrived).toEqual([document])
  })

  test('a metalink without an end is not read', async () => {
    const catalog = await over({ getFiles: async () => [] })
    const endless = { bytes: new Uint8Array(1024 * 1024 + 1), from: 'x' }
    await expect(catalog.getFiles(endless, ask())).rejects.toMatchObject({ code: 'too-large' })
  })

  test.each(targets)('a target arrives as it was sent: %j', async (target) => {
    const seen: unknown[] = []
    const note = (what: unknown) => {
      seen.push(what)
      return { removed: [], freed: 0 } as never
    }
    const remote = await over({
      inspect: async (what) => note(what),
      get: async (what) => note(what),
      remove: async (what) => note(what),
      verify: async (what) => note(what),
    })
    await remote.inspect(target)
    await remote.get(target, ask())
    await remote.remove(target)
    await remote.verify(target, ask())
    expect(seen).toEqual([target, target, target, target])
  })

  test('answers come back as they were given, and a pattern may be anything', async () => {
    const patterns: unknown[] = []
    const remote = await over({
      images: async (pattern) => {
        patterns.push(pattern)
        return [image]
      },
      verify: async (what) => ({ checked: what === undefined ? 7 : 0, bytes: 1, bad: [] }),
      gc: async () => ({ removed: ['x'], freed: 9 }),
    })
    expect(await remote.images()).toEqual([image])
    await remote.images('docker.io/*&kind=#%ü')
    await remote.images('')
    expect(patterns).toEqual([undefined, 'docker.io/*&kind=#%ü', ''])
    expect(await remote.verify(undefined, ask())).toEqual({ checked: 7, bytes: 1, bad: [] })
    expect(await remote.gc()).toEqual({ removed: ['x'], freed: 9 })
  })

  test.each([
    new Fault('not-found', { what: 'a/b:1', asked: ['lab'] }),
    new Fault('upstream-timeout', { url: 'https://x/', phase: 'headers', ms: 5 }),
    new Fault('corrupt', { what: 'x', expected: 'a', actual: 'b' }),
    new Fault('unauthenticated', { what: 'x', challenge: 'Basic' }),
    new Fault('cancelled', { what: 'x' }),
  ])('the fault $code is the same on this side', async (fault) => {
    const remote = await over({
      inspect: async () => {
        throw fault
      },
    })
    const { code, details, message } = fault
    await expect(remote.inspect(targets[0]!)).rejects.toMatchObject({ name: 'Fault', code, details, message })
  })

  test('a mistake inside the server is told without its stack, which the log has', async () => {
    const remote = await over({
      gc: async () => {
        throw new TypeError('secret place')
      },
    })
    await expect(remote.gc()).rejects.toMatchObject({ code: 'internal', message: expect.not.stringContaining('secret') })
    expect(errors).toEqual([{ event: 'command.failed', path: '/admin/gc', error: new TypeError('secret place') }])
  })

  test('who presses Ctrl-C stops the work on the other side', async () => {
    const begun = Promise.withResolvers<string>()
    const stopped = Promise.withResolvers<string>()
    const remote = await over({
      verify: (_what, { signal, requestId }) => {
        begun.resolve(requestId)
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            stopped.resolve('stopped')
            reject(signal.reason)
          }),
        )
      },
    })
    const interrupted = new AbortController()
    const result = remote.verify(undefined, ask(interrupted.signal))
    expect(await begun.promise).toBe('command-7')
    interrupted.abort()
    await expect(result).rejects.toMatchObject({ code: 'cancelled' })
    expect(await stopped.promise).toBe('stopped')
  })

  test('a store folder may lie deeper than a socket address is long', async () => {
    const path = join(folder.path, 'a'.repeat(100), 'b'.repeat(100), 'command.sock')
    const remote = await over({ gc: async () => ({ removed: [], freed: 3 }) }, path)
    expect(await remote.gc()).toEqual({ removed: [], freed: 3 })
  })
})

describe('no server', () => {
  test('is a value: nothing there', async () =>
    expect(await connectRemoteCatalog(join(folder.path, 'none', 'command.sock'))).toBeUndefined())

  test('is a value: something that nobody listens on', async () => {
    const path = join(folder.path, 'command.sock')
    writeFileSync(path, '')
    expect(await connectRemoteCatalog(path)).toBeUndefined()
  })
})

describe('a server that answers something else', () => {
  test.each([
    ['a page', 200, 'hello', 'upstream-invalid'],
    ['an error of a kind unknown here', 418, '{"error":{"code":"teapot","details":{}}}', 'upstream-invalid'],
    ['an error named like what every object has', 500, '{"error":{"code":"constructor","details":{}}}', 'upstream-invalid'],
    ['an error without details', 404, '{"error":{"code":"not-found"}}', 'upstream-invalid'],
    ['nothing', 502, '', 'upstream-invalid'],
  ])('%s', async (_what, status, body, code) => {
    const { catalog } = await connected(await listen((_, answer) => answer.writeHead(status).end(body)))
    await expect(catalog.gc()).rejects.toMatchObject({ code })
  })

  test('or dies half way', async () => {
    const path = await listen((_, answer) => {
      answer.writeHead(200, { 'content-length': '100' })
      answer.write('{', () => answer.destroy())
    })
    const { catalog } = await connected(path)
    await expect(catalog.gc()).rejects.toMatchObject({ code: 'upstream-unreachable', message: expect.stringContaining(path) })
  })
})

describe('the routes themselves', () => {
  async function status(method: string, path: string): Promise<number> {
    const catalog = { inspect: async () => ({}), gc: async () => ({}) } as unknown as Keeping
    return (await createAdmin(catalog, log).request(path, { method })).status
  }
  test.each([
    ['GET', '/admin/inspect?kind=manifest&upstream=a&repository=../x&pointer=1', 400],
    ['GET', '/admin/inspect?kind=manifest&upstream=a&repository=x&pointer=-', 400],
    ['GET', `/admin/inspect?kind=blob&upstream=a&repository=x&digest=${'sha256:AB' as Digest}`, 400],
    ['GET', '/admin/inspect', 400],
    ['GET', '/admin/inspect?kind=constructor', 400],
    ['GET', `/admin/inspect?kind=digest&digest=${digest}`, 200],
    ['GET', '/admin/gc', 405],
    ['POST', '/admin/gc', 200],
    ['POST', '/admin/nothing', 405],
  ])('%s %s answers %i', async (method, path, expected) => expect(await status(method, path)).toBe(expected))
})
