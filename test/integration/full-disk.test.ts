import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, json, MiB } from '../kit/blobs.ts'
import { blobsOn, spoolsOn, until, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { describe as describeContent, image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const limit = 6 * MiB // no file of the house may grow past it
const canLimit = spawnSync('prlimit', ['--version']).status === 0
const layer = blob(10 * MiB, 'full')

/** A house whose files cannot grow past the limit: what a full disk is to a fill, without filling one. */
async function confined() {
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

test('what has no room on the disk is refused before a byte of it is fetched', async () => {
  await using world = await createWorld()
  const small = blob(2 * MiB, 'small')
  const { mediaType } = image().manifest
  const claims = { ...describeContent(small), size: 2 ** 52 } // 4 PiB
  const huge = json({ schemaVersion: 2, mediaType, config: describeContent(small), layers: [claims] }, mediaType)
  world.upstream.pushManifest('lab/tool', huge, 'huge')
  world.upstream.pushBlob('lab/tool', small)
  expect((await ask(world.manifest('lab/tool', 'huge'))).status).toBe(200)
  const reply = await ask(world.blob('lab/tool', small.digest))
  expect([reply.status, reply.end, errorCodes(reply).length]).toEqual([503, 'clean', 1])
  expect(reply.body.toString()).not.toContain(world.house.storePath)
  expect(world.upstream.count({ path: '/blobs/', method: 'GET' })).toBe(0)
  expect(await spoolsOn(world.house.storePath)).toEqual([])
})

describe.skipIf(!canLimit)('a disk that takes no more (prlimit of util-linux is needed)', () => {
  test('never gives wrong bytes a clean end or a name, leaves no spool, and holds up nothing else', async () => {
    await using its = await confined()
    const replies = await Promise.all([1, 2, 3].map(() => ask(its.blob('lab/tool', layer.digest))))
    for (const reply of replies) {
      const isRight = reply.status === 200 && reply.end === 'clean' ? reply.sha256 === layer.digest : true
      const isPrefix = reply.status !== 200 || reply.body.equals(layer.bytes.subarray(0, reply.body.length))
      expect([reply.status, isRight, isPrefix]).toEqual([reply.status, true, true])
      expect([200, 503, 507]).toContain(reply.status)
    }
    for (const pointer of ['v1', its.tool.manifest.digest])
      expect(await ask(its.manifest('lab/tool', pointer))).toMatchObject({ status: 200, sha256: its.tool.manifest.digest })
    for (const { digest } of its.tool.blobs)
      expect(await ask(its.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest, end: 'clean' })
    expect(await wrongBlobsOn(its.house.storePath)).toEqual([])
    expect(await blobsOn(its.house.storePath)).not.toContain(layer.digest)
    await until(async () => (await spoolsOn(its.house.storePath)).length === 0, 'no spool of what cannot be held')
    expect((await ask(`${its.house.url}/healthz`)).status).toBe(200)
  })
})
