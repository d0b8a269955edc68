import { copyFile, readFile, truncate } from 'node:fs/promises'
import { expect } from 'vitest'
import { fileDigest } from './kit/check-bytes.ts'
import { type Descriptor, describeImage } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import type { Registry } from './kit/registry.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse, use } from './kit/tools.ts'

async function sifBlob(upstream: Registry): Promise<Descriptor> {
  const { blobs } = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
  const found = blobs.find((blob) => blob.mediaType.endsWith('layer.v1.sif'))
  if (found === undefined) throw new Error('the SIF image has no SIF')
  return found
}

describeWith([...laboratory, 'aria2c'], 'aria2', () => {
  test('fetches a blob over four connections and agrees with its checksum', async ({ target, upstream, work }) => {
    const blob = await sifBlob(upstream)
    await threeTimes({ target, upstream, work, inParts: true }, [blob], async ({ out, env }) => {
      const checksum = `--checksum=sha-256=${blob.digest.slice(7)}`
      const url = target.blob(images.sif.repository, blob.digest)
      const how = ['--no-conf', '-q', '-x', '4', '-s', '4', '-k', '1M', '--file-allocation=none', '-o', 'blob', checksum]
      await mustUse('aria2c', [...how, url], { env, cwd: out })
      expect(await fileDigest(`${out}/blob`)).toBe(blob.digest)
    })
  })
})

describeWith([...laboratory, 'curl'], 'curl', () => {
  test('reads the size, a part from the middle, and the end of a blob', async ({ target, upstream, work }) => {
    const blob = await sifBlob(upstream)
    const whole = await fetch(`${upstream.url}/v2/${images.sif.repository}/blobs/${blob.digest}`)
    const bytes = Buffer.from(await whole.arrayBuffer())
    await threeTimes({ target, upstream, work, inParts: true }, [blob], async ({ out, env }) => {
      const url = target.blob(images.sif.repository, blob.digest)
      const head = await mustUse('curl', ['-sSfI', url], { env })
      expect(head).toMatch(new RegExp(`^content-length: ${blob.size}\r$`, 'im'))
      for (const [range, start, end] of [
        ['5000000-5999999', 5_000_000, 6_000_000],
        [`${blob.size - 10}-`, blob.size - 10, blob.size],
        ['-1000', blob.size - 1000, blob.size],
        ['0-0', 0, 1],
      ] as const) {
        const status = await mustUse('curl', ['-sS', '-r', range, '-w', '%{http_code}', '-o', 'part', url], { env, cwd: out })
        expect([range, status]).toEqual([range, '206'])
        expect((await readFile(`${out}/part`)).equals(bytes.subarray(start, end)), range).toBe(true)
      }
      // docker-registry's own 416 promises a body that never comes.
      if (target.forebay === undefined) return
      const beyond = await mustUse('curl', ['-sS', '-r', `${blob.size}-`, '-w', '%{http_code}', '-o', 'none', url], {
        env,
        cwd: out,
      })
      expect(beyond).toBe('416')
    })
  })

  test('finishes a file that an earlier transfer left half done', async ({ target, upstream, work }) => {
    const blob = await sifBlob(upstream)
    await threeTimes({ target, upstream, work }, [blob], async ({ out, env }) => {
      const url = target.blob(images.sif.repository, blob.digest)
      await mustUse('curl', ['-sSf', '-o', 'whole', url], { env, cwd: out })
      await copyFile(`${out}/whole`, `${out}/half`)
      await truncate(`${out}/half`, Math.floor(blob.size / 2))
      await mustUse('curl', ['-sSf', '-C', '-', '-o', 'half', url], { env, cwd: out })
      expect(await fileDigest(`${out}/half`)).toBe(blob.digest)
    })
  })

  test('is told that a blob it has, by its entity tag, has not changed', async ({ target, upstream, work }) => {
    const blob = await sifBlob(upstream)
    await threeTimes({ target, upstream, work }, [], async ({ out, env }) => {
      const url = target.blob(images.sif.repository, blob.digest)
      const again = ['-sS', '-H', `If-None-Match: "${blob.digest}"`, '-w', '%{http_code} %{size_download}', '-o', 'none', url]
      expect(await mustUse('curl', again, { env, cwd: out })).toBe('304 0')
    })
  })

  test('gets an error status, never an empty success, for a blob that nobody has', async ({ target, work }) => {
    const url = target.blob(images.sif.repository, `sha256:${'0'.repeat(64)}`)
    const answer = await use('curl', ['-sSf', url], { env: work.env })
    expect(answer).toMatchObject({ code: 22, stdout: '' })
    expect(answer.stderr).toContain('404')
  })
})
