import { expect, test } from 'vitest'
import { digestOfBytes, MiB, seededBytes } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { createFakeStatic } from '../kit/static-upstream.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { documentedScript } from './kit/documented.ts'
import { startForebay } from './kit/forebay.ts'
import { describeWith, mustUse, use } from './kit/tools.ts'
import { workDir } from './kit/work-dir.ts'

const image = seededBytes(3 * MiB, 'static e2e')

describeWith(['curl', 'bash'], 'a static registry, step by step', () => {
  test('as the documentation says: cold, warm, and with its pages gone; what is spoilt is refused', async () => {
    await using work = await workDir('static')
    await using pages = await createFakeStatic()
    await using forebay = await startForebay(work, {
      upstreams: { storage: { kind: 'static', url: pages.base, freshFor: '1s', staleIfError: '1d' } },
      more: { defaults: {}, outbound: { allow: [pages.files.host] } },
    })
    pages.push('lab/tool:latest', image)
    const script = await documentedScript('registry')
    const options = async (phase: string) => ({
      cwd: await work.folder(phase),
      env: { ...work.env, registry: `${forebay.url}/static/storage` },
    })
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') await pages.refuse()
      expect(await mustUse('bash', ['-euc', script], await options(phase))).toBe('tool.simg: OK\n')
      expect(await fileDigest(work.file(phase, 'tool.simg'))).toBe(digestOfBytes(image))
    }
    expect(pages.bodies).toBe(1)
    await pages.reopen()
    const wrong = digestOfBytes(seededBytes(10, 'other'), 'md5')
    pages.push('lab/tool:latest', image, { digest: wrong })
    const told = async () => (await fetch(`${forebay.url}/static/storage/lab/tool/manifests/latest`)).text()
    await until(async () => (await told()).includes(wrong), 'the pages asked again', 60_000)
    const spoilt = await use('bash', ['-euc', script], await options('spoilt'))
    expect([spoilt.code === 0, spoilt.stdout]).toEqual([false, ''])
  })
})
