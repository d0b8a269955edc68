import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { parseDigest } from '../../src/model/digest.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { type Descriptor, describeImage, native } from './kit/describe-image.ts'
import { type Forebay, startForebay } from './kit/forebay.ts'
import { type Front, startFront } from './kit/front.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import type { Registry } from './kit/registry.ts'
import { upstreamName } from './kit/target.ts'
import { describeWith, mustUse, type Tool } from './kit/tools.ts'
import type { WorkDir } from './kit/work-dir.ts'

const hexOf = (digest: string) => digest.slice('sha256:'.length)
const quiet = ['--no-conf', '--file-allocation=none', '--console-log-level=warn', '--summary-interval=0']
// Held back a little: on loopback one place would have sent everything before the others are asked.
const inParts = [...quiet, '-s', '4', '-k', '1M', '--max-download-limit=8M']
// It counts connections by host name, and all places here are one host's.
const fromOneHost = [...inParts, '-x', '4']

interface Site extends AsyncDisposable {
  readonly forebay: Forebay
  readonly mirrors: readonly Front[]
  readonly sif: Descriptor
  readonly url: string // of the SIF's blob
}

/** A server whose upstream has two mirrors, each an nginx with a log, and that knows of the SIF. */
async function openSite(work: WorkDir, upstream: Registry, more: readonly string[] = []): Promise<Site> {
  const { blobs } = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
  const sif = blobs.find(({ mediaType }) => mediaType.endsWith('layer.v1.sif'))!
  const mirrors = [await startFront(work, upstream.url, '16m', 'one'), await startFront(work, upstream.url, '16m', 'two')]
  const urls = [...more, mirrors[0]!.url.replace('127.0.0.1', 'localhost'), mirrors[1]!.url]
  const settings = { kind: 'oci', url: upstream.url, mirrors: urls.map((url, at) => ({ url, priority: at + 1 })) }
  const forebay = await startForebay(work, { upstreams: { [upstreamName]: settings } })
  return {
    forebay,
    mirrors,
    sif,
    url: `${forebay.url}/v2/${upstreamName}/${images.sif.repository}/blobs/${sif.digest}`,
    async [Symbol.asyncDispose]() {
      await forebay[Symbol.asyncDispose]()
      for (const mirror of mirrors) await mirror[Symbol.asyncDispose]()
    },
  }
}

/** Brings the SIF in, so that its pieces are known, and waits until all places have been asked for it. */
async function warm({ url, forebay, sif }: Site, places: number): Promise<string> {
  const whole = await fetch(url)
  await whole.arrayBuffer()
  const meta4 = `${forebay.url}/blobs/sha256/${hexOf(sif.digest)}.meta4`
  await expect.poll(async () => (await (await fetch(meta4)).text()).includes('<pieces'), { timeout: 10_000 }).toBe(true)
  const text = await (await fetch(meta4)).text()
  expect(text.match(/<url /g)).toHaveLength(1 + places)
  return meta4
}

async function bytesFrom({ mirrors }: Site, { digest }: Descriptor): Promise<number[]> {
  const logs = await Promise.all(mirrors.map(({ log }) => log.asked()))
  return logs.map((asked) =>
    asked.filter(({ method, path }) => method === 'GET' && path.includes(digest)).reduce((sum, { bytes }) => sum + bytes, 0),
  )
}

for (const tool of ['aria2c', 'aria2c 1.36'] as const satisfies readonly Tool[]) {
  describeWith([...laboratory, 'nginx', tool], `${tool} with a metalink`, () => {
    test('of a blob fetches it from several places at once', async ({ work, upstream }) => {
      await using site = await openSite(work, upstream)
      const meta4 = await warm(site, 3)
      for (const { log } of site.mirrors) await log.forget()
      const out = await work.folder('out')
      await mustUse(tool, [...fromOneHost, meta4], { env: work.env, cwd: out })
      expect(await fileDigest(`${out}/${hexOf(site.sif.digest)}`)).toBe(site.sif.digest)
      const used = await bytesFrom(site, site.sif)
      expect(Math.min(...used), `bytes from each mirror: ${used}`).toBeGreaterThan(0)
    })

    test('begins with us, who have priority 1, when it may use one place only', async ({ work, upstream }) => {
      await using site = await openSite(work, upstream)
      const meta4 = await warm(site, 3)
      for (const { log } of site.mirrors) await log.forget()
      const out = await work.folder('out')
      await mustUse(tool, [...quiet, '-s', '1', meta4], { env: work.env, cwd: out })
      expect(await fileDigest(`${out}/${hexOf(site.sif.digest)}`)).toBe(site.sif.digest)
      expect(await bytesFrom(site, site.sif)).toEqual([0, 0])
    })

    test('survives a mirror that has died since, and one that lies about every piece', async ({ work, upstream }) => {
      await using liar = await createFakeUpstream()
      await using site = await openSite(work, upstream, [liar.url])
      const bytes = Buffer.from(
        await (await fetch(`${upstream.url}/v2/${images.sif.repository}/blobs/${site.sif.digest}`)).arrayBuffer(),
      )
      liar.pushBlob(images.sif.repository, { bytes, digest: parseDigest(site.sif.digest), mediaType: '' })
      const meta4 = await warm(site, 4)
      const wrong = bytes.map((byte) => byte ^ 1)
      liar.pushBlob(images.sif.repository, { bytes: Buffer.from(wrong), digest: parseDigest(site.sif.digest), mediaType: '' })
      await site.mirrors[0]!.stop()
      const asked = liar.count({ method: 'GET' })
      const out = await work.folder('out')
      await mustUse(tool, [...fromOneHost, meta4], { env: work.env, cwd: out })
      expect(await fileDigest(`${out}/${hexOf(site.sif.digest)}`)).toBe(site.sif.digest)
      expect(liar.count({ method: 'GET' })).toBeGreaterThan(asked)
    })

    test('of an image makes a folder that skopeo reads as that image', async ({ work, upstream }) => {
      await using site = await openSite(work, upstream)
      const { repository, tag } = images.index
      const wanted = native(await describeImage(upstream.url, repository, tag))
      const out = await work.folder('out')
      await mustUse(tool, [...inParts, `${site.forebay.url}/metalink/${upstreamName}/${repository}:${tag}.meta4`], {
        env: work.env,
        cwd: out,
      })
      const seen = await mustUse('skopeo', ['inspect', '--raw', `oci:debian_${tag}:${tag}`], { env: work.env, cwd: out })
      expect(seen).toBe(wanted.raw)
      const told = await mustUse('skopeo', ['inspect', '--format', '{{.Digest}}', `oci:debian_${tag}:${tag}`], {
        env: work.env,
        cwd: out,
      })
      expect(told.trim()).toBe(wanted.digest)
      for (const { digest } of wanted.blobs)
        expect(await fileDigest(`${out}/debian_${tag}/blobs/sha256/${hexOf(digest)}`)).toBe(digest)
    })

    test('of a SIF image is that file', async ({ work, upstream }) => {
      await using site = await openSite(work, upstream)
      const { repository, tag } = images.sif
      const out = await work.folder('out')
      await mustUse(tool, [...inParts, `${site.forebay.url}/metalink/${upstreamName}/${repository}:${tag}.meta4`], {
        env: work.env,
        cwd: out,
      })
      expect(await fileDigest(`${out}/tool_${tag}.sif`)).toBe(site.sif.digest)
    })
  })

  describeWith([...laboratory, 'nginx', tool], `${tool} with the fields of a blob`, () => {
    test('gets the blob, not the document, from several places at once', async ({ work, upstream }) => {
      await using site = await openSite(work, upstream)
      await warm(site, 3)
      for (const { log } of site.mirrors) await log.forget()
      const out = await work.folder('out')
      const said = await mustUse(tool, [...inParts, '--console-log-level=notice', '-o', 'b', site.url], {
        env: work.env,
        cwd: out,
      })
      expect((await readFile(`${out}/b`)).subarray(0, 5).toString()).not.toBe('<?xml')
      expect(await fileDigest(`${out}/b`)).toBe(site.sif.digest)
      expect(said).toContain('Verification finished successfully')
      const used = await bytesFrom(site, site.sif)
      expect(Math.max(...used), `bytes from each mirror: ${used}`).toBeGreaterThan(0)
    })
  })
}
