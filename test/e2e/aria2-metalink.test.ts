import { open, readFile, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { parseDigest } from '../../src/model/digest.ts'
import { MiB } from '../kit/blobs.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { expectLayout, fileDigest } from './kit/check-bytes.ts'
import { describeImage, native } from './kit/describe-image.ts'
import { documentOf, hexOf, kinds } from './kit/documents.ts'
import { images } from './kit/images.ts'
import { laboratory, test as laboratoryTest } from './kit/laboratory.ts'
import { bytesOf, openSite, type Site } from './kit/site.ts'
import { describeWith, mustUse, type Tool } from './kit/tools.ts'

const quiet = ['--no-conf', '--file-allocation=none', '--console-log-level=warn', '--summary-interval=0']
// Held back a little: on loopback one place would have sent everything before the others are asked.
const inParts = [...quiet, '-s', '4', '-k', '1M', '--max-download-limit=4M']
// It counts connections by host name, and all places here are one host's.
const fromOneHost = [...inParts, '-x', '4']

const used = (bytes: readonly number[]) => bytes.filter((some) => some > 0).length

async function spoil(file: string, at: number): Promise<void> {
  await using handle = await open(file, 'r+')
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
  await handle.write(Buffer.of(buffer[0]! ^ 0xff), 0, 1, at)
}

const test = laboratoryTest.extend('site', { scope: 'file' }, async ({ shared, upstream }, { onCleanup }): Promise<Site> => {
  const site = await openSite(shared, upstream)
  onCleanup(() => site[Symbol.asyncDispose]())
  return site
})

for (const tool of ['aria2c', 'aria2c 1.36'] as const satisfies readonly Tool[]) {
  describeWith([...laboratory, 'nginx', tool], `${tool} with a metalink`, () => {
    test('of a blob fetches it from several places at once', async ({ work, site }) => {
      await site.warm()
      const out = await work.folder('out')
      await mustUse(tool, [...fromOneHost, site.meta4(site.sif.digest)], { env: work.env, cwd: out })
      expect(await fileDigest(`${out}/${hexOf(site.sif.digest)}`)).toBe(site.sif.digest)
      const bytes = bytesOf(await site.asked(site.sif.digest))
      expect(Math.min(...bytes), `bytes from each place: ${bytes}`).toBeGreaterThan(0)
      expect(bytes.reduce((sum, some) => sum + some)).toBeLessThan(1.5 * site.sif.size)
    })

    test('begins with us, who have priority 1, when it may use one place only', async ({ work, site }) => {
      await site.warm()
      const out = await work.folder('out')
      await mustUse(tool, [...quiet, '-s', '1', site.meta4(site.sif.digest)], { env: work.env, cwd: out })
      expect(await fileDigest(`${out}/${hexOf(site.sif.digest)}`)).toBe(site.sif.digest)
      expect(bytesOf(await site.asked(site.sif.digest))).toEqual([site.sif.size, 0, 0, 0])
    })

    test('is not misled by a mirror that has died since, nor by one with a wrong byte in one piece', async ({
      work,
      upstream,
    }) => {
      await using liar = await createFakeUpstream()
      await using site = await openSite(work, upstream, [liar.url])
      const { digest } = site.sif
      const bytes = Buffer.from(await (await fetch(`${upstream.url}/v2/${images.sif.repository}/blobs/${digest}`)).arrayBuffer())
      liar.pushBlob(images.sif.repository, { bytes, digest: parseDigest(digest), mediaType: '' })
      await site.warm()
      let wrongAt: number | undefined // in what it is asked first
      liar.fault({ path: digest, method: 'GET' }, { flipAt: (start) => (wrongAt ??= start + 12_345) })
      const before = liar.bytesSent(digest)
      await site.mirrors[0].stop()
      const out = await work.folder('out')
      const said = await mustUse(tool, [...fromOneHost, '--console-log-level=info', site.meta4(digest)], {
        env: work.env,
        cwd: out,
      })
      expect(await fileDigest(`${out}/${hexOf(digest)}`)).toBe(digest)
      const [ours, , other] = bytesOf(await site.asked(digest))
      const fromLiar = liar.bytesSent(digest) - before
      expect(Math.min(ours!, other!, fromLiar), `bytes from us, a mirror, the liar: ${[ours, other, fromLiar]}`).toBeGreaterThan(
        0,
      )
      const wrong = new Set([...said.matchAll(/Invalid checksum index=(\d+)/g)].map(([, index]) => Number(index)))
      expect(wrong).toEqual(new Set([Math.floor(wrongAt! / MiB)]))
    })

    test('leaves the right files, whatever the document is of', async ({ work, upstream }) => {
      // Its own: what one of them brings in, the next would find.
      await using site = await openSite(work, upstream)
      await site.warm()
      for (const kind of kinds) {
        const { url, files } = await documentOf(kind, site, upstream)
        const out = await work.folder(kind)
        await mustUse(tool, [...quiet, url], { env: work.env, cwd: out })
        for (const [name, digest] of Object.entries(files))
          expect([kind, name, await fileDigest(`${out}/${name}`)]).toEqual([kind, name, digest])
      }
    })

    test('and a file that is there asks for nothing; one wrong byte in it costs one range of one piece', async ({
      work,
      site,
    }) => {
      const { digest } = site.sif
      await site.warm()
      const out = await work.folder('out')
      const options = { env: work.env, cwd: out }
      await mustUse(tool, [...quiet, site.meta4(digest)], options)
      await writeFile(`${out}/x.meta4`, await (await fetch(site.meta4(digest))).text())
      const check = async () => {
        await site.forget()
        await mustUse(tool, [...quiet, '-V', 'x.meta4'], options)
        expect(await fileDigest(`${out}/${hexOf(digest)}`)).toBe(digest)
        return (await site.asked(digest)).flat()
      }
      expect(await check()).toEqual([])
      await spoil(`${out}/${hexOf(digest)}`, 7 * MiB + 4321)
      expect(await check()).toMatchObject([{ method: 'GET', status: 206, range: `bytes=${7 * MiB}-${8 * MiB - 1}`, bytes: MiB }])
    })

    test('of an image makes a folder that skopeo reads as that image', async ({ work, upstream, site }) => {
      const { repository, tag } = images.index
      const wanted = native(await describeImage(upstream.url, repository, tag))
      const out = await work.folder('out')
      const options = { env: work.env, cwd: out }
      await mustUse(tool, [...quiet, site.imageMeta4(images.index)], options)
      expect(await mustUse('skopeo', ['inspect', '--raw', `oci:debian_${tag}:${tag}`], options)).toBe(wanted.raw)
      const told = await mustUse('skopeo', ['inspect', '--format', '{{.Digest}}', `oci:debian_${tag}:${tag}`], options)
      expect(told.trim()).toBe(wanted.digest)
      await expectLayout(`${out}/debian_${tag}`, wanted.blobs)
    })
  })

  describeWith([...laboratory, 'nginx', tool], `${tool} with the fields of a blob`, () => {
    test('gets the blob, not the document, from several places at once', async ({ work, site }) => {
      await site.warm()
      const out = await work.folder('out')
      const options = { env: work.env, cwd: out }
      const url = site.blob(images.sif.repository, site.sif.digest)
      const said = await mustUse(tool, [...fromOneHost, '--console-log-level=notice', '-o', 'b', url], options)
      expect((await readFile(`${out}/b`)).subarray(0, 5).toString()).not.toBe('<?xml')
      expect(await fileDigest(`${out}/b`)).toBe(site.sif.digest)
      expect(said).toContain('Verification finished successfully')
      const bytes = bytesOf(await site.asked(site.sif.digest))
      expect(used(bytes), `bytes from each place: ${bytes}`).toBeGreaterThan(1)
    })
  })
}

describeWith([...laboratory, 'nginx', 'aria2c'], 'apptainer with a folder that aria2 downloaded', () => {
  test('makes a SIF of it in which the program runs', async ({ work, upstream }) => {
    await using site = await openSite(work, upstream)
    const { tag } = images.index
    const out = await work.folder('out')
    const options = { env: work.env, cwd: out }
    await mustUse('aria2c', [...quiet, site.imageMeta4(images.index)], options)
    await site.forebay.stop()
    await mustUse('apptainer', ['build', 'image.sif', `oci:debian_${tag}`], options) // it takes no tag after the folder
    expect(await mustUse('apptainer', ['sif', 'list', 'image.sif'], options)).toMatch(/FS \(Squashfs/)
    const ran = await mustUse('apptainer', ['exec', '--userns', '--contain', 'image.sif', '/opt/tool/run'], options)
    expect(ran).toMatch(/^tool runs on \d+\.\d+/)
  })
})
