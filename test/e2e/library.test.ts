import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readKey } from 'openpgp'
import { expect, test as plain } from 'vitest'
import { MiB, seededBytes } from '../kit/blobs.ts'
import { filesBelow } from '../kit/disk.ts'
import { createFakeKeyserver } from '../kit/keyserver.ts'
import {
  createFakeLibrary,
  type FakeLibrary,
  type LibraryImageOptions,
  type LibraryKind,
  sha256,
} from '../kit/library-upstream.ts'
import { buildSif } from '../kit/sif.ts'
import type { Fault } from '../kit/upstream/rules.ts'
import { apptainerUser, expectFailed, expectPulled, expectReadable } from './kit/apptainer-user.ts'
import { type Forebay, lastWords, startForebay } from './kit/forebay.ts'
import { succeed } from './kit/run.ts'
import { startTlsFront } from './kit/tls-front.ts'
import { baseImage, cannotRun, describeWith } from './kit/tools.ts'
import { type WorkDir, workDir } from './kit/work-dir.ts'

const sif = (seed: string, size = 12 * MiB) => buildSif({ partitions: [{ bytes: seededBytes(size, seed) }] })
const image = sif('library e2e')
const later = sif('library e2e, later')
const name = 'library://Lab/genomics/tool:v1'
const path = 'Lab/genomics/tool:v1'

interface Lab {
  readonly library: FakeLibrary
  readonly forebay: Forebay
  /** Paths that clients asked for since the last time, with the statuses they got. */
  asked(): Promise<readonly string[]>
}

async function openLab(work: WorkDir, library: FakeLibrary, more: object = {}): Promise<Lab & AsyncDisposable> {
  const forebay = await startForebay(work, {
    upstreams: { lab: { kind: 'library', url: library.url, freshFor: '1s', staleIfError: '1d', ...more } },
    more: { defaults: { library: 'lab' }, outbound: { allow: [library.files.host] }, drainTimeout: '1s' },
  })
  let from = 0
  return {
    library,
    forebay,
    async asked() {
      // The log is written in batches: a request made now is in it after all that were answered before.
      const mark = `/healthz?${Math.random()}`
      await fetch(`${forebay.url}/v1/search?value=ab&${mark}`)
      let lines: { path: string; status: number; route: string }[] = []
      await expect
        .poll(async () => {
          const text = await readFile(forebay.log, 'utf8')
          lines = text.split('\n').flatMap((line) => (line.includes('"event":"request"') ? JSON.parse(line) : []))
          return lines.slice(from).some(({ path }) => path === '/v1/search')
        })
        .toBe(true)
      const since = lines.slice(from).filter(({ path }) => path !== '/v1/search' && path !== '/readyz')
      from = lines.length
      return since.map(({ path, status }) => `${status} ${path}`)
    },
    [Symbol.asyncDispose]: () => forebay[Symbol.asyncDispose](),
  }
}

const test = plain
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures off this parameter
  .extend('work', async ({}, { onCleanup }): Promise<WorkDir> => {
    const work = await workDir('library')
    onCleanup(() => work[Symbol.asyncDispose]())
    return work
  })
  // biome-ignore lint/correctness/noEmptyPattern: the same
  .extend('library', async ({}, { onCleanup }): Promise<FakeLibrary> => {
    const library = await createFakeLibrary()
    onCleanup(() => library[Symbol.asyncDispose]())
    return library
  })
  .extend('lab', async ({ work, library, task }, { onCleanup }): Promise<Lab> => {
    const lab = await openLab(work, library)
    onCleanup(async () => {
      await lab.forebay.stop()
      if (task.result?.state === 'fail') console.log(await lastWords(lab.forebay))
    })
    return lab
  })

describeWith(['apptainer'], 'library:// with apptainer', () => {
  test.for<readonly [string, string, readonly string[]]>([
    ['the default library', '', []],
    ['a library named in the path', '/library/lab', []],
    ['a library named in the path, with a slash behind it', '/library/lab/', []],
    ['no cache of the client', '', ['--disable-cache']],
  ])('is pulled cold, warm and with the upstream gone: %s', async ([, base, flags], { work, library, lab }) => {
    library.push(path, image)
    const pull = async (who: string) => (await apptainerUser(work, who)).pull(...flags, '--library', lab.forebay.url + base, name)
    await expectPulled(await pull('cold'), image)
    await expectPulled(await pull('warm'), image)
    await library.refuse()
    const last = await pull('off')
    await expectPulled(last, image)
    await expectReadable(await apptainerUser(work, 'off'), last.file)
    expect(library.transfers).toBe(1)
  })

  test('is not fetched again by who has it in the cache', async ({ work, library, lab }) => {
    library.push(path, image)
    const someone = await apptainerUser(work, 'someone')
    await expectPulled(await someone.pull('--library', lab.forebay.url, name), image)
    await lab.asked()
    const again = await someone.pull('--library', lab.forebay.url, name)
    await expectPulled(again, image)
    expect(again.stderr).toContain('Using cached image')
    expect(await lab.asked()).toEqual([`200 /v1/images/${path}`])
  })

  test('is pulled by names of one, two and three parts, by its hash, and from a host in the name', async ({
    work,
    library,
    lab,
  }) => {
    for (const short of ['tool', 'genomics/tool', 'Lab/genomics/tool']) library.push(short, image)
    const someone = await apptainerUser(work, 'someone')
    const names = ['tool', 'genomics/tool:latest', 'Lab/genomics/tool', `Lab/genomics/tool:${sha256(image)}`]
    const hosted = `library://${lab.forebay.address}/Lab/genomics/tool`
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') await library.refuse()
      for (const one of names)
        await expectPulled(await someone.pull('--disable-cache', '--library', lab.forebay.url, `library://${one}`), image)
      await expectPulled(await someone.pull('--disable-cache', '--no-https', hosted), image)
    }
  })

  test('is pulled for the architecture that is asked for, or is not there', async ({ work, library, lab }) => {
    library.push(path, image)
    const someone = await apptainerUser(work, 'someone')
    const missing = await someone.pull('--arch', 'arm64', '--library', lab.forebay.url, name)
    expectFailed(missing, 'image does not exist in the library')
    const arm = buildSif({ arch: 'arm64', partitions: [{ bytes: seededBytes(MiB, 'arm') }] })
    library.push('Lab/genomics/arm:v1', arm, { arch: 'arm64' })
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') await library.refuse()
      const pulled = await (await apptainerUser(work, phase)).pull(
        '--arch',
        'arm64',
        '--library',
        lab.forebay.url,
        'library://Lab/genomics/arm:v1',
      )
      await expectPulled(pulled, arm)
    }
    expect(library.transfers).toBe(1)
  })

  test('is had whole where one presigned URL of it expires before it is used and another in the middle', async ({
    work,
    library,
    lab,
  }) => {
    library.push(path, image)
    library.fault({ path: '/v1/imagefile/', nth: 1 }, { afterwards: () => library.expireUrls() })
    library.fault({ on: 'cdn', nth: 2 }, { cutAfter: 5 * MiB, afterwards: () => library.expireUrls() })
    const someone = await apptainerUser(work, 'someone')
    await expectPulled(await someone.pull('--library', lab.forebay.url, name), image)
    expect(await someone.cached()).toHaveLength(1)
    const fromStore = library.requests.filter(({ on }) => on === 'cdn')
    expect(fromStore.map(({ status }) => status)).toEqual([403, 200, 206])
    expect(new Set(fromStore.map(({ query }) => query.get('X-Amz-Signature'))).size).toBe(3)
  })

  test.for<readonly [string, LibraryKind, LibraryImageOptions]>([
    ['knows an md5 only', 'sregistry', { hash: 'md5' }],
    ['counts megabytes and has times without a zone', 'sregistry', {}],
    ['knows no hash', 'hinkskalle', { hash: 'none' }],
    ['has an empty hash', 'sylabs', { more: { hash: '' } }],
    ['has the size of another image', 'sylabs', { more: { size: 1_000_000 } }],
    ['writes numbers as text', 'sylabs', { more: { size: '12.5', id: 7, createdAt: '2024-01-02T03:04:05', deletedAt: '' } }],
  ])('is pulled from a library that %s, and the cache of the user stays', async ([, kind, options], { work }) => {
    await using library = await createFakeLibrary({ kind })
    await using lab = await openLab(work, library)
    library.push(path, image, options)
    library.push('Lab/genomics/other:v1', later, options)
    const someone = await apptainerUser(work, 'someone')
    await expectPulled(await someone.pull('--library', lab.forebay.url, name), image)
    await expectPulled(await someone.pull('--library', lab.forebay.url, 'library://Lab/genomics/other:v1'), later)
    expect(await someone.cached()).toHaveLength(2)
    await rm(join(someone.home, '.apptainer'), { recursive: true })
    await expectPulled(await someone.pull('--library', lab.forebay.url, name), image)
    expect(library.transfers).toBe(2)
  })

  test.for<readonly [string, LibraryKind, LibraryImageOptions, Fault & { readonly on?: 'cdn' | 'registry' }]>([
    ['sends a wrong byte', 'sylabs', {}, { flipAt: 7 * MiB }],
    ['sends a wrong byte of an md5', 'sregistry', { hash: 'md5' }, { flipAt: 7 * MiB }],
    ['sends too little, and calls that all', 'sylabs', {}, { body: later.subarray(0, 9 * MiB) }],
    ['sends another image', 'sylabs', {}, { body: later }],
    ['sends a page', 'sylabs', {}, { body: '<html>Welcome</html>' }],
    ['limits', 'sylabs', {}, { status: 429 }],
    ['fails', 'sylabs', {}, { status: 503 }],
  ])(
    'fails where the library %s: no file, no lie in the cache, and all is well once it is well',
    async ([, kind, options, fault], { work }) => {
      await using library = await createFakeLibrary({ kind })
      await using lab = await openLab(work, library)
      library.push('Lab/genomics/good:v1', later)
      library.push(path, image, options)
      const someone = await apptainerUser(work, 'someone')
      await expectPulled(await someone.pull('--library', lab.forebay.url, 'library://Lab/genomics/good:v1'), later)
      const entries = await someone.cached()
      library.fault({ on: 'cdn' }, fault)
      for (const flags of [[], ['--disable-cache']])
        expectFailed(await someone.pull(...flags, '--library', lab.forebay.url, name))
      expect(await someone.cached()).toEqual(entries)
      library.heal()
      await expect
        .poll(async () => (await someone.pull('--library', lab.forebay.url, name)).code, { timeout: 60_000, interval: 500 })
        .toBe(0)
      await expectPulled(await someone.pull('--disable-cache', '--library', lab.forebay.url, name), image)
    },
  )

  test('fails where the upstream goes away in the middle, also without a cache of the client', async ({ work }) => {
    await using library = await createFakeLibrary({ ranges: false })
    await using lab = await openLab(work, library)
    library.push(path, image)
    library.fault({ on: 'cdn' }, { cutAfter: 8 * MiB, afterwards: () => void library.fault({}, { status: 403 }) })
    const someone = await apptainerUser(work, 'someone')
    expectFailed(await someone.pull('--disable-cache', '--library', lab.forebay.url, name))
    expectFailed(await someone.pull('--library', lab.forebay.url, name))
    expect(await someone.cached()).toEqual([])
  })

  test('shows what the library says', async ({ work, library, lab }) => {
    const someone = await apptainerUser(work, 'someone')
    expectFailed(await someone.pull('--library', lab.forebay.url, name), 'image does not exist in the library')
    const message = 'ask Ada for access'
    library.fault({ path: '/v1/images/' }, { status: 403, body: JSON.stringify({ error: { code: 403, message } }) })
    expectFailed(await someone.pull('--library', lab.forebay.url, 'library://Lab/genomics/secret:v1'), message)
  })

  test.for<readonly [string, string]>([
    ['1', '5242880'],
    ['3', '1048576'],
    ['8', '1048576'],
    ['8', '999999'],
    ['2', '104857600'],
  ])(
    'is had whole cold, and in parts once it is here: %s at once of %s bytes',
    async ([concurrency, size], { work, library, lab }) => {
      library.push(path, image)
      const env = { APPTAINER_DOWNLOAD_CONCURRENCY: concurrency, APPTAINER_DOWNLOAD_PART_SIZE: size }
      await expectPulled(await (await apptainerUser(work, 'first', env)).pull('--library', lab.forebay.url, name), image)
      await expect.poll(async () => (await fetch(`${lab.forebay.url}/v1/images/${path}`)).text()).toContain('"size":')
      await lab.asked()
      for (const flags of [[], ['--disable-cache']]) {
        const someone = await apptainerUser(work, `second${flags.length}`, env)
        await expectPulled(await someone.pull(...flags, '--library', lab.forebay.url, name), image)
        const parts = (await lab.asked()).filter((one) => one.startsWith('206 /blobs/'))
        expect(parts).toHaveLength(Math.ceil(image.length / Number(size)))
      }
    },
  )

  test('fails where what was here is damaged and the upstream gone, also without a cache of the client', async ({
    work,
    library,
    lab,
  }) => {
    library.push(path, image)
    await expectPulled(await (await apptainerUser(work, 'first')).pull('--library', lab.forebay.url, name), image)
    await expect.poll(async () => (await fetch(`${lab.forebay.url}/v1/images/${path}`)).text()).toContain('"size":')
    const hex = sha256(image).slice('sha256.'.length)
    const blob = (await filesBelow(lab.forebay.store)).find((one) => one.endsWith(hex))!
    await writeFile(join(lab.forebay.store, blob), image.subarray(0, 6 * MiB))
    await library.refuse()
    const env = { APPTAINER_DOWNLOAD_PART_SIZE: '1048576' }
    expectFailed(await (await apptainerUser(work, 'second', env)).pull('--disable-cache', '--library', lab.forebay.url, name))
  })

  test('is one version where its tag moves while it is pulled', async ({ work, library, lab }) => {
    library.push(path, image)
    const gate = library.hold({ path: '/v1/images/' })
    const someone = await apptainerUser(work, 'someone')
    const pulling = someone.pull('--library', lab.forebay.url, name)
    await gate.arrived()
    gate.open()
    await expect.poll(() => library.asked.length).toBeGreaterThan(0)
    await library.quiet()
    library.push(path, later)
    const pulled = await pulling
    expect(pulled.code).toBe(0)
    expect([image, later].map((one) => sha256(one))).toContain(sha256(await readFile(pulled.file)))
  })

  test('crosses the uplink once for twenty that pull it at the same time', async ({ work, library, lab }) => {
    library.push(path, image)
    const pulls = Array.from({ length: 20 }, async (_, who) => {
      const someone = await apptainerUser(work, `user${who}`)
      await expectPulled(await someone.pull('--library', lab.forebay.url, name), image)
    })
    await Promise.all(pulls)
    expect(library.transfers).toBe(1)
  })

  test('is found by a search, the library has one or not', async ({ work }) => {
    const found = {
      hash: sha256(image),
      size: 'wrong',
      arch: 'amd64',
      entityName: 'Lab',
      collectionName: 'g',
      containerName: 'theirs',
    }
    const search = { data: { entity: null, collection: [], container: null, image: [{ ...found, tags: ['v7'] }] } }
    await using library = await createFakeLibrary({ search })
    await using lab = await openLab(work, library)
    const someone = await apptainerUser(work, 'someone')
    const theirs = await someone.run('search', '--library', lab.forebay.url, 'tool')
    expect([theirs.code, theirs.stdout + theirs.stderr]).toEqual([0, expect.stringContaining('library://Lab/g/theirs:v7')])
    library.push(path, image)
    await someone.pull('--library', lab.forebay.url, name)
    await library.refuse()
    const held = await someone.run('search', '--library', lab.forebay.url, 'genomics')
    expect([held.code, held.stdout + held.stderr]).toEqual([0, expect.stringContaining(name)])
  })
})

describeWith(['apptainer', 'base image'], 'an endpoint of apptainer', () => {
  test('may have a port, without TLS, where it is written by hand', async ({ work, library, lab }) => {
    library.push(path, image)
    const someone = await apptainerUser(work, 'someone')
    await mkdir(join(someone.home, '.apptainer'), { recursive: true })
    const remote = { URI: `${lab.forebay.url}/library/lab`, Insecure: true, System: false, Exclusive: false }
    const remotes = { Active: 'site', Remotes: { site: remote } }
    await writeFile(join(someone.home, '.apptainer', 'remote.yaml'), JSON.stringify(remotes), { mode: 0o600 })
    await expectPulled(await someone.pull(name), image)
    const { code, stdout, stderr } = await someone.run('remote', 'status')
    expect([code, stdout + stderr]).toEqual([0, expect.stringMatching(/Library\s+OK/)])
  })

  test('is added, tells its status, and gives images by their names, signed ones with their keys', async ({
    work,
    library,
    skip,
  }) => {
    const holder = { address: '' }
    const front = await startTlsFront(work, holder)
    if (!front) return cannotRun(skip, 'port 443 of loopback is taken')
    await using _ = front
    await using keyserver = await createFakeKeyserver()
    const publicUrl = { publicUrl: front.url }
    await using forebay = await startForebay(work, {
      upstreams: { lab: { kind: 'library', url: library.url, keyserver: keyserver.url } },
      more: { defaults: { library: 'lab' }, outbound: { allow: [library.files.host] }, ...publicUrl },
    })
    holder.address = forebay.address

    const publisher = await apptainerUser(work, 'publisher', front.env)
    const tool = await buildTool(work, publisher)
    const key = await sign(publisher, tool)
    const bytes = await readFile(tool)
    library.push('Lab/genomics/signed:v1', bytes)
    keyserver.keys.set(key.fingerprint, key.armored)

    const someone = await apptainerUser(work, 'someone', front.env)
    const well = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await someone.run(...args)
      expect([code, args, stdout + stderr]).toEqual([0, args, expect.anything()])
      return stdout + stderr
    }
    await well('remote', 'add', '--no-login', 'site', 'localhost')
    await well('remote', 'use', 'site')
    const status = await well('remote', 'status')
    for (const service of ['Builder', 'Consent', 'Keystore', 'Library', 'Token'])
      if (status.includes(service)) expect(status).toMatch(new RegExp(`${service}\\s+OK`))
    expect(status).toMatch(/Library\s+OK\s+v/)

    const token = join(someone.home, 'token')
    await writeFile(token, 'x'.repeat(300))
    expect(await well('remote', 'login', '--tokenfile', token, 'site')).toContain('Access Token Verified!')

    await expectPulled(await someone.pull('library://Lab/genomics/signed:v1'), bytes)
    const other = async (who: string) => {
      const user = await apptainerUser(work, who, front.env)
      for (const args of [
        ['add', '--no-login', 'site', 'localhost'],
        ['use', 'site'],
      ])
        expect((await user.run('remote', ...args)).code).toBe(0)
      return user.pull('library://Lab/genomics/signed:v1')
    }
    await expectPulled(await other('warm'), bytes)
    expect(
      await well('exec', '--userns', '--contain', 'library://Lab/genomics/signed:v1', '/bin/sh', '-c', 'echo runs'),
    ).toContain('runs')
    const verified = await well('verify', 'pulled.sif')
    expect(verified).toContain(key.fingerprint)
    expect(verified).toContain('Verified signature(s)')
    expect(keyserver.requests.length).toBeGreaterThan(0)
    for (const { headers } of [...keyserver.requests, ...library.requests]) expect(headers.authorization).toBeUndefined()

    expect(await well('key', 'search', '-l', key.fingerprint)).toContain(key.fingerprint)

    await library.refuse()
    await expectPulled(await other('off'), bytes)
    expect(library.transfers).toBe(1)

    // A key that was asked for once is here, and none is taken.
    await keyserver.refuse()
    for (const args of [
      ['add', '--no-login', 'site', 'localhost'],
      ['use', 'site'],
    ])
      expect((await publisher.run('remote', ...args)).code).toBe(0)
    await rm(join(someone.home, '.apptainer', 'keys'), { recursive: true, force: true })
    expect(await well('verify', 'pulled.sif')).toContain('Verified signature(s)')
    const pushed = await publisher.run('key', 'push', key.fingerprint)
    expect([pushed.code, pushed.stdout + pushed.stderr]).toEqual([2, expect.stringContaining('405')])
  })
})

/** A SIF with a shell in it. */
async function buildTool(work: WorkDir, { run, home }: Awaited<ReturnType<typeof apptainerUser>>): Promise<string> {
  const sandbox = await work.folder('sandbox')
  const parts = [
    './bin',
    './lib',
    './lib64',
    './usr/bin/sh',
    './usr/bin/dash',
    './usr/lib64',
    './usr/lib/x86_64-linux-gnu/libc.so.6',
  ]
  const wanted = [...parts, './usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', './etc/passwd', './etc/group']
  await succeed('tar', ['-C', sandbox, '-xf', baseImage(), '--ignore-failed-read', ...wanted])
  const file = join(home, 'tool.sif')
  const { code, stderr } = await run('build', file, sandbox)
  expect([code, stderr]).toEqual([0, expect.anything()])
  return file
}

async function sign({ run, home }: Awaited<ReturnType<typeof apptainerUser>>, file: string) {
  const about = ['--password', '', '--name', 'Lab', '--email', 'lab@example.org', '--comment', 'tests', '--push=false']
  expect((await run('key', 'newpair', ...about)).code).toBe(0)
  const { stdout, stderr, code } = await run('sign', file)
  expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('Signature created')])
  const list = await run('key', 'list')
  const fingerprint = /Fingerprint:\s+([0-9A-F]{40})/.exec(list.stdout + list.stderr)?.[1] ?? ''
  const key = await readKey({ binaryKey: await readFile(join(home, '.apptainer', 'keys', 'pgp-public')) })
  return { fingerprint, armored: key.toPublic().armor() }
}
