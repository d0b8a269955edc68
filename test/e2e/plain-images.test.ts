import { readFile } from 'node:fs/promises'
import { expect, test as plain } from 'vitest'
import { digestOfBytes, hexOfBytes, MiB } from '../kit/blobs.ts'
import { filesBelow } from '../kit/disk.ts'
import { createEveryKind, type EveryKind } from '../kit/every-kind.ts'
import { sif } from '../kit/images.ts'
import type { Fault } from '../kit/upstream/rules.ts'
import { apptainerUser, expectFailed, expectPulled, expectReadable } from './kit/apptainer-user.ts'
import { type Forebay, lastWords, startForebay } from './kit/forebay.ts'
import { mountableSif } from './kit/mountable.ts'
import { describeWith } from './kit/tools.ts'
import { type WorkDir, workDir } from './kit/work-dir.ts'

const image = mountableSif(3 * MiB, 'plain e2e')
const good = mountableSif(MiB, 'plain e2e, good')
const packed = sif(image)
const digest = digestOfBytes(image)

const test = plain
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures off this parameter
  .extend('work', async ({}, { onCleanup }): Promise<WorkDir> => {
    const work = await workDir('plain')
    onCleanup(() => work[Symbol.asyncDispose]())
    return work
  })
  // biome-ignore lint/correctness/noEmptyPattern: the same
  .extend('kinds', async ({}, { onCleanup }): Promise<EveryKind> => {
    const kinds = await createEveryKind()
    onCleanup(() => kinds[Symbol.asyncDispose]())
    return kinds
  })
  .extend('forebay', async ({ work, kinds, task }, { onCleanup }): Promise<Forebay> => {
    const { upstreams, outbound, more } = kinds.settings
    const data = { ...upstreams.data, freshFor: '1s', staleIfError: '1d' }
    const forebay = await startForebay(work, {
      upstreams: { ...upstreams, data },
      more: { ...more, outbound, drainTimeout: '1s' },
    })
    onCleanup(async () => {
      await forebay.stop()
      if (task.result?.state === 'fail') console.log(await lastWords(forebay))
    })
    return forebay
  })

/** What clients asked below `/files/`, once the server has stopped and its log is complete. */
async function askedFor(forebay: Forebay): Promise<readonly string[]> {
  await forebay.stop()
  const lines = (await readFile(forebay.log, 'utf8')).split('\n').filter((line) => line.includes('"event":"request"'))
  const all = lines.map((line) => JSON.parse(line) as { method: string; path: string; status: number })
  return all.filter(({ path }) => path.startsWith('/files/')).map(({ method, status }) => `${method} ${status}`)
}

const spoiling: readonly (readonly [string, Fault])[] = [
  ['sends a wrong byte', { flipAt: MiB }],
  ['breaks off and refuses the rest', { cutAfter: MiB, afterwards: () => {} }],
  ['sends a page', { body: '<html>Welcome</html>', status: 200 }],
  ['limits', { status: 429 }],
  ['fails', { status: 503 }],
  ['refuses', { status: 403 }],
]

describeWith(['apptainer'], 'http:// with apptainer', () => {
  test('is pulled cold, warm, and with the upstream gone, and twice by one who then downloads nothing', async ({
    work,
    kinds,
    forebay,
  }) => {
    kinds.files.put('d/tool.sif', image)
    const url = `${forebay.url}/files/data/d/tool.sif`
    const first = await apptainerUser(work, 'first')
    const cold = await first.pull(url)
    await expectPulled(cold, image)
    await expectReadable(first, cold.file)
    await expectPulled(await first.pull(url), image)
    expect(await first.cached('net')).toHaveLength(1)
    await expectPulled(await (await apptainerUser(work, 'warm')).pull(url), image)
    await kinds.files.refuse()
    await expectPulled(await (await apptainerUser(work, 'off')).pull(url), image)
    expect(kinds.files.bodiesOf('d/tool.sif')).toBe(1)
    const once = ['HEAD 200', 'GET 200']
    expect(await askedFor(forebay)).toEqual([...once, 'HEAD 200', ...once, ...once])
  })

  test.for(spoiling)(
    'fails where the upstream %s: no file, and the cache of the user is as it was',
    async ([, fault], { work, kinds, forebay }) => {
      const { files } = kinds
      const url = (name: string) => `${forebay.url}/files/data/d/${name}`
      files.put('d/good.sif', good)
      files.put('d/tool.sif', image)
      files.put('d/tool.sif.sha256', hexOfBytes(image))
      const someone = await apptainerUser(work, 'someone')
      await expectPulled(await someone.pull(url('good.sif')), good)
      const entries = await someone.cached('net')
      expect(entries).toHaveLength(1)
      const where = { path: /tool[.]sif$/, method: 'GET' } as const
      files.fault(where, fault.afterwards ? { ...fault, afterwards: () => void files.fault(where, { status: 403 }) } : fault)
      for (const flags of [[], ['--disable-cache']]) expectFailed(await someone.pull(...flags, url('tool.sif')))
      expect(await someone.cached('net')).toEqual(entries)
      files.heal()
      await expect.poll(async () => (await someone.pull(url('tool.sif'))).code, { timeout: 60_000, interval: 500 }).toBe(0)
      await expectPulled(await someone.pull(url('tool.sif')), image)
    },
  )
})

describeWith(['apptainer'], 'oras:// with apptainer', () => {
  test.for(spoiling)(
    'fails where the registry %s: no file, and the cache of the user is as it was',
    async ([, fault], { work, kinds, forebay }) => {
      const { registry } = kinds
      const reference = (name: string) => `oras://${forebay.address}/lab.example/lab/${name}:v1`
      registry.push('lab/good', sif(good), 'v1')
      registry.push('lab/tool', packed, 'v1')
      const someone = await apptainerUser(work, 'someone')
      const pull = (name: string, ...flags: readonly string[]) => someone.pull('--no-https', ...flags, reference(name))
      await expectPulled(await pull('good'), good)
      const entries = await someone.cached('oras')
      expect(entries).toHaveLength(1)
      const where = { path: digest, method: 'GET' } as const
      registry.fault(
        where,
        fault.afterwards ? { ...fault, afterwards: () => void registry.fault(where, { status: 403 }) } : fault,
      )
      for (const flags of [[], ['--disable-cache']]) expectFailed(await pull('tool', ...flags))
      expect(await someone.cached('oras')).toEqual(entries)
      expect(await filesBelow(`${forebay.store}/blobs`)).not.toContainEqual(
        expect.stringContaining(digest.slice('sha256:'.length)),
      )
      registry.heal()
      await expect.poll(async () => (await pull('tool')).code, { timeout: 60_000, interval: 500 }).toBe(0)
      await expectPulled(await pull('tool', '--disable-cache'), image)
    },
  )
})
