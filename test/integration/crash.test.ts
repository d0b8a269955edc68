import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { isHeld, spoolsOn, untilHeld, untilRecorded, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(48 * MiB, 'crash')
const size = layer.bytes.length

describe('after kill -9 in the middle of a fill', () => {
  test('nothing wrong is served, and the fill resumes by Range', async () => {
    await using upstream = await createFakeUpstream()
    await using folder = await tempFolder()
    upstream.pushBlob('lab/tool', layer)
    const settings = { upstreams: { [lab]: { url: upstream.url } }, defaults: { oci: lab }, storePath: folder.path }
    const gate = upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
    gate.release(40 * MiB)
    {
      await using house = await startHouseProcess(settings)
      const reader = await open(urlsOf(house.url).blob('lab/tool', layer.digest))
      await reader.atLeast(40 * MiB - MiB)
      await untilRecorded(folder.path, 36 * MiB)
      await house.kill('SIGKILL')
      const { end, body } = await reader.rest()
      expect([end, body.equals(layer.bytes.subarray(0, body.length))]).toEqual(['cut', true])
    }
    expect(await isHeld(folder.path, layer.digest)).toBe(false)
    expect(await spoolsOn(folder.path)).toHaveLength(1)

    await using house = await startHouseProcess(settings)
    const reply = await ask(urlsOf(house.url).blob('lab/tool', layer.digest))
    expect(reply).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    await untilHeld(folder.path, layer.digest)
    const second = upstream.requests.findLast(({ method, path }) => method === 'GET' && path.includes('/blobs/'))
    expect(second?.headers.range).toMatch(/^bytes=\d+-$/)
    expect(upstream.bytesSent(layer.digest)).toBeLessThan(1.1 * size)
    expect(await wrongBlobsOn(folder.path)).toEqual([])
    expect(await spoolsOn(folder.path)).toEqual([])
  })

  test('a blob that changed upstream meanwhile is not glued together', async () => {
    await using upstream = await createFakeUpstream()
    await using folder = await tempFolder()
    upstream.pushBlob('lab/tool', layer)
    const settings = { upstreams: { [lab]: { url: upstream.url } }, defaults: { oci: lab }, storePath: folder.path }
    const gate = upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
    gate.release(20 * MiB)
    upstream.fault({ path: '/blobs/', method: 'GET', nth: 1 }, { flipAt: 1000 }) // what the spool will be left with
    {
      await using house = await startHouseProcess(settings)
      const reader = await open(urlsOf(house.url).blob('lab/tool', layer.digest))
      await reader.atLeast(19 * MiB)
      await house.kill('SIGKILL')
      await reader.rest()
    }
    await using house = await startHouseProcess(settings)
    const url = urlsOf(house.url).blob('lab/tool', layer.digest)
    const first = await ask(url)
    expect(first.end === 'cut' || first.sha256 === layer.digest).toBe(true)
    expect(await ask(url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expect(await wrongBlobsOn(folder.path)).toEqual([])
  })
})

describe('what was committed before kill -9', () => {
  test('is there afterwards, without an upstream', async () => {
    await using upstream = await createFakeUpstream()
    await using folder = await tempFolder()
    const tool = image({ seed: 'crash', layers: [2 * MiB, 4000] })
    upstream.push('lab/tool', tool, 'v1')
    const settings = {
      upstreams: { [lab]: { url: upstream.url, freshFor: '1h' } },
      defaults: { oci: lab },
      storePath: folder.path,
    }
    {
      await using house = await startHouseProcess(settings)
      const here = urlsOf(house.url)
      await ask(here.manifest('lab/tool', 'v1'))
      for (const { digest } of tool.blobs) await ask(here.blob('lab/tool', digest))
      for (const { digest } of tool.blobs) await untilHeld(folder.path, digest)
      await house.kill('SIGKILL')
    }
    await upstream.refuse()
    await using house = await startHouseProcess(settings)
    const here = urlsOf(house.url)
    expect(await ask(here.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
    for (const { digest } of tool.blobs) expect((await ask(here.blob('lab/tool', digest))).sha256).toBe(digest)
  })
})

describe('a running house', () => {
  test('keeps a second one off its store', async () => {
    await using folder = await tempFolder()
    const settings = { upstreams: { [lab]: { url: 'http://127.0.0.1:1' } }, defaults: { oci: lab }, storePath: folder.path }
    await using house = await startHouseProcess(settings)
    await expect(startHouseProcess(settings)).rejects.toThrow(/in use/)
    expect((await ask(`${house.url}/v2/`)).status).toBe(200)
  })

  test('told to stop lets running answers end, and leaves with 0', async () => {
    await using upstream = await createFakeUpstream()
    await using folder = await tempFolder()
    upstream.pushBlob('lab/tool', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(4 * MiB)
    await using house = await startHouseProcess({
      upstreams: { [lab]: { url: upstream.url } },
      defaults: { oci: lab },
      storePath: folder.path,
      more: { drainTimeout: '60s' },
    })
    const reader = await open(urlsOf(house.url).blob('lab/tool', layer.digest))
    await reader.atLeast(MiB)
    const left = house.kill('SIGTERM')
    gate.open()
    expect(await reader.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
    expect(await left).toBe(0)
    expect(await wrongBlobsOn(folder.path)).toEqual([])
  })
})
