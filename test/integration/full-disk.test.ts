import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, json, KiB, MiB } from '../kit/blobs.ts'
import { blobsOn, spoolsOn, until, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { describe as describeContent, image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createFakeLibrary } from '../kit/library-upstream.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const canLimit = spawnSync('prlimit', ['--version']).status === 0
const layer = blob(10 * MiB, 'full')

/** A house none of whose files may grow past the limit: what a full disk is to a fill, without filling one. */
async function confined(limit = 6 * MiB) {
  const upstream = await createFakeUpstream()
  const folder = await tempFolder()
  const tool = image({ seed: 'full disk', layers: [3000, 2 * MiB] })
  upstream.push('lab/tool', tool, 'v1')
  upstream.pushBlob('lab/tool', layer)
  const house = await startHouseProcess({
    upstreams: { [lab]: { url: upstream.url } },
    defaults: { oci: lab },
    storePath: folder.path,
    under: ['prlimit', `--fsize=${limit}`],
  })
  return {
    upstream,
    house,
    tool,
    ...urlsOf(house.url),
    async [Symbol.asyncDispose]() {
      await upstream.close()
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test('what a manifest says to be larger than the disk, and is not, is refused and not kept', async () => {
  await using world = await createWorld()
  const small = blob(2 * MiB, 'small')
  const { mediaType } = image().manifest
  const claims = { ...describeContent(small), size: 2 ** 52 } // 4 PiB
  const huge = json({ schemaVersion: 2, mediaType, config: describeContent(small), layers: [claims] }, mediaType)
  world.upstream.pushManifest('lab/tool', huge, 'huge')
  world.upstream.pushBlob('lab/tool', small)
  expect((await ask(world.manifest('lab/tool', 'huge'))).status).toBe(200)
  const reply = await ask(world.blob('lab/tool', small.digest))
  expect([reply.status, reply.end, errorCodes(reply).length]).toEqual([502, 'clean', 1])
  expect(reply.body.toString()).not.toContain(world.house.storePath)
  expect(world.upstream.count({ path: '/blobs/', method: 'GET' })).toBe(1)
  await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool')
})

describe.skipIf(!canLimit)('a disk that takes no more (prlimit of util-linux is needed)', () => {
  test('fails no pull, gives no wrong bytes a name, leaves no spool, and holds up nothing else', async () => {
    await using its = await confined()
    const gate = its.upstream.hold({ path: layer.digest, method: 'GET' })
    const asked = [1, 2, 3].map(() => ask(its.blob('lab/tool', layer.digest)))
    await until(async () => (await its.house.metric('edge_requests_open')) === 3, 'three who wait')
    gate.open()
    const replies = await Promise.all(asked)
    for (const reply of replies) expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
    expect(its.upstream.bytesSent(layer.digest)).toBeLessThan(3 * layer.bytes.length)
    for (const pointer of ['v1', its.tool.manifest.digest])
      expect(await ask(its.manifest('lab/tool', pointer))).toMatchObject({ status: 200, sha256: its.tool.manifest.digest })
    for (const { digest } of its.tool.blobs)
      expect(await ask(its.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest, end: 'clean' })
    expect(await wrongBlobsOn(its.house.storePath)).toEqual([])
    expect(await blobsOn(its.house.storePath)).not.toContain(layer.digest)
    await until(async () => (await spoolsOn(its.house.storePath)).length === 0, 'no spool of what cannot be held')
    expect((await ask(`${its.house.url}/healthz`)).status).toBe(200)
  })

  test('fails no pull either where there is no room for what is known of it', { timeout: 120_000 }, async () => {
    await using its = await confined(200 * KiB) // the index has its first tables in less
    const images = Array.from({ length: 40 }, (_, at) => image({ seed: `index ${at}`, layers: [500, 600, 700] }))
    for (const [at, tool] of images.entries()) its.upstream.push(`lab/tool-${at}`, tool, 'v1')
    for (const [at, tool] of images.entries()) {
      for (const pointer of ['v1', tool.manifest.digest])
        expect(await ask(its.manifest(`lab/tool-${at}`, pointer))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
      for (const { digest } of tool.blobs)
        expect(await ask(its.blob(`lab/tool-${at}`, digest))).toMatchObject({ status: 200, sha256: digest, end: 'clean' })
    }
    await until(() => its.house.output().includes('records.db'), 'the index to run full')
    const alone = blob(900, 'that no manifest names')
    its.upstream.pushBlob('lab/tool', alone)
    expect(await ask(its.blob('lab/tool', alone.digest))).toMatchObject({ status: 200, sha256: alone.digest, end: 'clean' })
    expect(await wrongBlobsOn(its.house.storePath)).toEqual([])
  })

  test('nor, later, of a name that could be written down when what it is a name of could not', { timeout: 120_000 }, async () => {
    await using library = await createFakeLibrary()
    await using folder = await tempFolder()
    const settings = {
      upstreams: { lab: { kind: 'library', url: library.url, freshFor: '0s' } },
      defaults: { library: 'lab' },
      outbound: { allow: [library.files.host] },
      storePath: folder.path,
    }
    const sizes = Array.from({ length: 60 }, (_, at) => 500 + at)
    for (const size of sizes) library.push(`lab/tools/tool-${size}:v1`, blob(size, 'named').bytes)
    async function pullAll(url: string): Promise<void> {
      for (const size of sizes) {
        const reply = await ask(`${url}/v1/imagefile/lab/tools/tool-${size}:v1`)
        expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: blob(size, 'named').digest })
      }
    }
    {
      await using house = await startHouseProcess({ ...settings, under: ['prlimit', `--fsize=${100 * KiB}:`] })
      await pullAll(house.url)
      await until(() => house.output().includes('records.db'), 'the index to run full')
      expect(spawnSync('prlimit', ['--pid', String(house.pid), '--fsize=unlimited:']).status).toBe(0)
      await pullAll(house.url) // it is asked whether the names still mean the same, and that is written down
      await house.kill('SIGKILL')
    }
    await rm(join(folder.path, 'blobs'), { recursive: true }) // as if they had been evicted
    await using house = await startHouseProcess(settings)
    await pullAll(house.url)
  })
})
