import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test as plain } from 'vitest'
import { digestOfBytes, MiB, seededBytes } from '../kit/blobs.ts'
import { filesBelow } from '../kit/disk.ts'
import { isFree } from '../kit/ports.ts'
import { createFakeShub, type FakeShub } from '../kit/shub-upstream.ts'
import { buildSif } from '../kit/sif.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { documentedScript } from './kit/documented.ts'
import { type Forebay, lastWords, startForebay } from './kit/forebay.ts'
import type { Finished } from './kit/run.ts'
import { startTlsFront } from './kit/tls-front.ts'
import { cannotRun, describeWith, mustUse, use } from './kit/tools.ts'
import { type WorkDir, workDir } from './kit/work-dir.ts'

// A reference of this kind has no room for a port: it is 80, or 443 with TLS. An address of loopback that nobody uses.
const host = '127.80.0.1'
const name = 'Lab/tool:v1'
const commit = '0123456789abcdef0123456789abcdef01234567'
const sif = (seed: string, size = 3 * MiB) => buildSif({ partitions: [{ bytes: seededBytes(size, seed) }] })
const image = sif('shub e2e')
const later = sif('shub e2e, later')

const test = plain
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures off this parameter
  .extend('work', async ({}, { onCleanup }): Promise<WorkDir> => {
    const work = await workDir('shub')
    onCleanup(() => work[Symbol.asyncDispose]())
    return work
  })
  // biome-ignore lint/correctness/noEmptyPattern: the same
  .extend('shub', async ({}, { onCleanup }): Promise<FakeShub> => {
    const shub = await createFakeShub()
    onCleanup(() => shub[Symbol.asyncDispose]())
    return shub
  })
  .extend('forebay', async ({ work, shub, task }, { onCleanup }): Promise<Forebay> => {
    const forebay = await start(work, shub, { publicUrl: `http://${host}` }, [{ host, port: 80 }])
    onCleanup(async () => {
      await forebay.stop()
      if (task.result?.state === 'fail') console.log(await lastWords(forebay))
    })
    return forebay
  })

function start(work: WorkDir, shub: FakeShub, more: object, alsoAt: readonly { host: string; port: number }[] = []) {
  return startForebay(work, {
    upstreams: { hub: { kind: 'shub', url: shub.url, freshFor: '1s', staleIfError: '1d' } },
    alsoAt,
    more: { defaults: { shub: 'hub' }, outbound: { allow: [shub.files.host] }, drainTimeout: '1s', ...more },
  })
}

interface User {
  readonly home: string
  pull(reference: string, ...options: readonly string[]): Promise<Finished & { readonly file: string }>
  /** What the client keeps of images of this kind. */
  cached(): Promise<readonly string[]>
}

/** Somebody with a home, and a cache in it. */
async function user(work: WorkDir, called: string, env: Readonly<Record<string, string>> = {}): Promise<User> {
  const home = await work.folder(called)
  const file = join(home, 'a.sif')
  return {
    home,
    async pull(reference, ...options) {
      await rm(file, { force: true })
      const how = { env: { HOME: home, XDG_RUNTIME_DIR: home, APPTAINER_TMPDIR: home, ...env }, cwd: home }
      return { ...(await use('apptainer', ['pull', ...options, file, reference], how)), file }
    },
    cached: () => filesBelow(join(home, '.apptainer', 'cache', 'shub')),
  }
}

async function expectImage({ code, stderr, file }: Awaited<ReturnType<User['pull']>>, bytes: Uint8Array): Promise<void> {
  expect([code, stderr]).toEqual([0, expect.anything()])
  expect(await fileDigest(file)).toBe(digestOfBytes(bytes))
}

const isThere = await isFree(80, host)
if (!isThere) console.log(`shub: not run, port 80 of ${host} is taken`)
const group: typeof describeWith = (needs, title, body) =>
  isThere || process.env.FOREBAY_E2E === 'required' ? describeWith(needs, title, body) : describe.skip(title, body)

group(['apptainer'], 'shub:// with apptainer', () => {
  test.for([`shub://${host}/${name}`, `shub://${host}/shub/hub/${name}`])(
    'is pulled cold, warm, and with the registry gone, and is fetched once: %s',
    async (reference, { work, shub, forebay }) => {
      shub.push(name, image, { commit })
      await expectImage(await (await user(work, 'cold')).pull(reference, '--no-https'), image)
      await expectImage(await (await user(work, 'warm')).pull(reference, '--no-https'), image)
      await shub.refuse()
      await expectImage(await (await user(work, 'off')).pull(reference, '--no-https'), image)
      expect(shub.bodies).toBe(1)
      expect(await mustUse('apptainer', ['sif', 'list', 'a.sif'], { cwd: work.file('off'), env: work.env })).toContain(
        'FS (Squashfs',
      )
      expect(forebay.address).toMatch(/^127/)
    },
  )

  test('is pulled where the registry sends no commit, and is not fetched again for who has it', async ({
    work,
    shub,
    forebay,
  }) => {
    shub.push(name, image)
    const someone = await user(work, 'someone')
    await expectImage(await someone.pull(`shub://${host}/${name}`, '--no-https'), image)
    const entries = await someone.cached()
    expect(entries).toHaveLength(1)
    const again = await someone.pull(`shub://${host}/${name}`, '--no-https')
    await expectImage(again, image)
    expect(again.stderr).toContain('Use cached image')
    expect(await someone.cached()).toEqual(entries)
    await forebay.stop() // then its log is complete
    expect((await readFile(forebay.log, 'utf8')).match(/"route":"(?:image|blob)"/g)).toHaveLength(1)
  })

  test('another image of the same commit is another image, under another name and under the same', async ({
    work,
    shub,
    forebay,
  }) => {
    shub.push(name, image, { commit })
    shub.push('Lab/tool:v2', later, { commit, version: 'none' })
    const someone = await user(work, 'someone')
    await expectImage(await someone.pull(`shub://${host}/${name}`, '--no-https'), image)
    await expectImage(await someone.pull(`shub://${host}/Lab/tool:v2`, '--no-https'), later)
    shub.push(name, later, { commit })
    await new Promise((go) => setTimeout(go, 1_100)) // until it is asked for again
    await expectImage(await someone.pull(`shub://${host}/${name}`, '--no-https'), later)
    expect(await someone.cached()).toHaveLength(3)
    expect(await forebay.stop()).toBe(0)
  })

  test.for<[string, (shub: FakeShub) => void]>([
    ['limits by 429 under 200', (shub) => void shub.fault({ on: 'registry' }, { body: '429' })],
    ['has no such image', (shub) => shub.remove('Lab/bad:v1')],
    [
      'breaks off and gives no more of it',
      (shub) => {
        shub.fault({ on: 'cdn' }, { status: 403 })
        shub.fault({ on: 'cdn', nth: 1 }, { cutAfter: 1_500_000 })
      },
    ],
    ['gives other bytes than its md5 says', (shub) => void shub.fault({ on: 'cdn' }, { flipAt: 2_000_000 })],
  ])(
    'fails cleanly where the registry %s: no file, and the cache of the user is as it was',
    async ([, spoil], { work, shub, forebay }) => {
      shub.push(name, image, { commit })
      shub.push('Lab/bad:v1', later, { etag: false })
      const someone = await user(work, 'someone')
      await expectImage(await someone.pull(`shub://${host}/${name}`, '--no-https'), image)
      const entries = await someone.cached()
      expect(entries).toHaveLength(1)
      spoil(shub)
      for (const options of [['--no-https'], ['--no-https', '--disable-cache']]) {
        const { code, file } = await someone.pull(`shub://${host}/Lab/bad:v1`, ...options)
        expect([options, code, existsSync(file)]).toEqual([options, 255, false])
      }
      expect(await someone.cached()).toEqual(entries)
      const blobs = await filesBelow(join(forebay.store, 'blobs'))
      expect(blobs.filter((one) => one.includes(digestOfBytes(later).slice(7)))).toEqual([])
      expect(blobs.filter((one) => one.includes(digestOfBytes(image).slice(7)))).not.toEqual([])
    },
  )

  test('is pulled over TLS', async ({ work, shub, skip }) => {
    const holder = { address: '' }
    const front = await startTlsFront(work, holder)
    if (!front) return cannotRun(skip, 'port 443 of loopback is taken')
    await using _ = front
    await using forebay = await start(work, shub, { publicUrl: front.url })
    holder.address = forebay.address
    shub.push(name, image)
    const someone = await user(work, 'someone', front.env)
    await expectImage(await someone.pull(`shub://localhost/shub/hub/${name}`), image)
    await expectImage(await (await user(work, 'warm', front.env)).pull(`shub://localhost/shub/hub/${name}`), image)
    await shub.refuse()
    await expectImage(await (await user(work, 'off', front.env)).pull(`shub://localhost/shub/hub/${name}`), image)
    expect(shub.bodies).toBe(1)
  })
})

group(['curl', 'bash'], 'an image of a hub, step by step', () => {
  test('as the documentation says: cold, warm, and with the hub gone', async ({ work, shub, forebay }) => {
    shub.push('lab/tool:v1', image)
    const script = await documentedScript('hub')
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') await shub.refuse()
      const cwd = await work.folder(phase)
      await mustUse('bash', ['-euc', script], { cwd, env: { ...work.env, hub: `${forebay.url}/shub/hub` } })
      expect(await fileDigest(join(cwd, 'tool.sif'))).toBe(digestOfBytes(image))
    }
    expect(shub.bodies).toBe(1)
  })
})

group(['curl', 'bash'], 'a client that asks HEAD first', () => {
  // As sregistry's own client does: names in lower case, HEAD without following anything, then GET.
  const script = `
    manifest=$(curl -fsS -H 'Content-Type: application/json' "$BASE/api/container/$NAME")
    image=$(printf %s "$manifest" | sed 's/.*"image":"\\([^"]*\\)".*/\\1/')
    curl -sS -I -o /dev/null -w '%{http_code}\\n' "$image"
    curl -fsSL -o tool.sif "$image"`

  test('is answered 200 directly, cold and warm', async ({ work, shub, forebay }) => {
    shub.push('lab/tool:v1', image)
    for (const phase of ['cold', 'warm']) {
      const cwd = await work.folder(phase)
      const env = { ...work.env, BASE: `${forebay.url}/shub/hub`, NAME: 'lab/tool:v1' }
      // Its image is named as `publicUrl` says, which is where the server listens too.
      expect(await mustUse('bash', ['-euc', script], { cwd, env })).toBe('200\n')
      expect(await fileDigest(join(cwd, 'tool.sif'))).toBe(digestOfBytes(image))
    }
    expect(shub.bodies).toBe(1)
  })
})
