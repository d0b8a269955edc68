import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOfBytes, MiB } from '../kit/blobs.ts'
import { createEveryKind } from '../kit/every-kind.ts'
import { sif } from '../kit/images.ts'
import { apptainerUser, expectPulled } from './kit/apptainer-user.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { startForebay } from './kit/forebay.ts'
import { mountableSif } from './kit/mountable.ts'
import { cannotRun, describeWith, mustUse } from './kit/tools.ts'
import { watchHost } from './kit/watched-host.ts'
import { workDir } from './kit/work-dir.ts'

// Of shub:// only, which has no room for a port.
const host = '127.80.0.3'
const bytes = (kind: string) => mountableSif(2 * MiB, `chained ${kind}`)
const images = { library: bytes('library'), shub: bytes('shub'), oras: bytes('oras'), files: bytes('files') }
const page = bytes('static')
const script = `
  manifest=$(curl -fsS "$BASE/lab/tool/manifests/latest")
  curl -fsSL -o tool.sif "$(printf %s "$manifest" | sed 's/.*"urls":\\["\\([^"]*\\)".*/\\1/')"`

describeWith(['apptainer', 'curl', 'bash'], 'a proxy behind another', () => {
  test('gives what each kind of upstream has: cold, warm, and with the first and all upstreams gone', async ({ skip }) => {
    const place = await watchHost(host)
    if (place === undefined) return cannotRun(skip, `port 80 of ${host} is taken`)
    await place[Symbol.asyncDispose]()
    await using work = await workDir('chained')
    await using kinds = await createEveryKind()
    const { upstreams, outbound, more } = kinds.settings
    await using first = await startForebay(work, { name: 'first', upstreams, more: { ...more, outbound } })
    const kept = { freshFor: '1s', staleIfError: '1d' }
    await using second = await startForebay(work, {
      name: 'second',
      upstreams: {
        lab: { kind: 'library', url: `${first.url}/library/lab`, ...kept },
        hub: { kind: 'shub', url: `${first.url}/shub/hub`, ...kept },
        storage: { kind: 'static', url: `${first.url}/static/storage`, ...kept },
        data: { kind: 'files', url: `${first.url}/files/data`, ...kept },
        'lab.example': { kind: 'oci', url: first.url, ...kept },
      },
      alsoAt: [{ host, port: 80 }],
      more: { ...more, publicUrl: `http://${host}` },
    })
    kinds.library.push('lab/tools/tool:v1', images.library)
    kinds.shub.push('lab/tool:v1', images.shub)
    kinds.registry.push('lab/tool', sif(images.oras), 'v1')
    kinds.files.put('d/tool.sif', images.files)
    kinds.pages.push('lab/tool:latest', page)
    const ways = [
      [images.library, '--library', second.url, 'library://lab/tools/tool:v1'],
      [images.shub, '--no-https', `shub://${host}/lab/tool:v1`],
      [images.oras, '--no-https', `oras://${second.address}/lab.example/lab/tool:v1`],
      [images.files, `${second.url}/files/data/d/tool.sif`],
    ] as const
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') {
        await first.stop()
        for (const one of [kinds.library, kinds.shub, kinds.registry, kinds.files, kinds.pages]) await one.refuse()
      }
      const someone = await apptainerUser(work, phase)
      for (const [image, ...words] of ways) await expectPulled(await someone.pull(...words), image)
      const options = { cwd: someone.home, env: { ...work.env, BASE: `${second.url}/static/storage` } }
      await mustUse('bash', ['-euc', script], options)
      expect(await fileDigest(join(someone.home, 'tool.sif'))).toBe(digestOfBytes(page))
    }
    expect({
      library: kinds.library.transfers,
      shub: kinds.shub.bodies,
      oras: kinds.registry.bodies(digestOfBytes(images.oras)),
      files: kinds.files.bodiesOf('d/tool.sif'),
      static: kinds.pages.bodies,
    }).toEqual({ library: 1, shub: 1, oras: 1, files: 1, static: 1 })
  })
})
