import { readdir } from 'node:fs/promises'
import { expect } from 'vitest'
import { blob, MiB } from '../kit/blobs.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { documentOf, hexOf } from './kit/documents.ts'
import { startForebay } from './kit/forebay.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { openSite } from './kit/site.ts'
import { upstreamName } from './kit/target.ts'
import { describeWith, type Tool, use } from './kit/tools.ts'

// It never gives up: where a document does not suit it, it asks for ever.
const patienceMs = 120_000

for (const tool of ['wget2', 'wget2 1.99'] as const satisfies readonly Tool[]) {
  const keepsOrder = tool === 'wget2 1.99' // 2.2.0 mixes the places up, 2.2.1 sorts them
  /** The only file that a download leaves, and what was said. */
  const download = async (url: string, out: string, env: Readonly<Record<string, string>>) => {
    const { code, stdout, stderr } = await use(tool, [url], { env, cwd: out, timeoutMs: patienceMs })
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('Checksum OK')])
    return readdir(out)
  }

  describeWith([...laboratory, 'nginx', tool], `${tool} with a metalink`, () => {
    test(`has what it is of in as many requests as there are pieces${keepsOrder ? ', all of us, who come first' : ''}`, async ({
      work,
      upstream,
    }) => {
      await using site = await openSite(work, upstream)
      await site.warm()
      for (const kind of ['a blob with pieces', 'a blob that is not held', 'a manifest', 'a SIF'] as const) {
        const { url, files, pieces } = await documentOf(kind, site, upstream)
        const [[name, digest]] = Object.entries(files) as [[string, string]]
        await site.forget()
        const out = await work.folder(kind)
        expect([kind, await download(url, out, work.env)]).toEqual([kind, [name]])
        expect([kind, await fileDigest(`${out}/${name}`)]).toEqual([kind, digest])
        const asked = await site.asked(digest)
        const requests = asked.flat()
        expect(requests.length, kind).toBeLessThanOrEqual(Math.max(1, pieces) + 3)
        expect(requests[0], kind).toMatchObject({ method: 'GET', status: 206 })
        if (keepsOrder) expect(asked[0]).toEqual(requests)
      }
    })
  })

  describeWith([...laboratory, tool], `${tool} with a metalink that names nobody but us`, () => {
    test('ends well', async ({ work }) => {
      await using closed = await createFakeUpstream({ auth: { kind: 'bearer' } }) // clients cannot be sent there
      const layer = blob(6 * MiB, 'alone')
      closed.pushBlob('lab/tool', layer)
      await using forebay = await startForebay(work, { upstreams: { [upstreamName]: { kind: 'oci', url: closed.url } } })
      await (await fetch(`${forebay.url}/v2/${upstreamName}/lab/tool/blobs/${layer.digest}`)).arrayBuffer()
      const meta4 = `${forebay.url}/blobs/sha256/${hexOf(layer.digest)}.meta4`
      const document = async () => (await fetch(meta4)).text()
      await expect.poll(document, { timeout: 60_000 }).toContain('<pieces')
      expect((await document()).match(/<url /g)).toHaveLength(1)
      const out = await work.folder('out')
      expect(await download(meta4, out, work.env)).toEqual([hexOf(layer.digest)])
      expect(await fileDigest(`${out}/${hexOf(layer.digest)}`)).toBe(layer.digest)
    })
  })
}
