import { spawnSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { describe, expect } from 'vitest'
import { parseDigest } from '../../src/model/digest.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { hexOf } from './kit/documents.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { openSite } from './kit/site.ts'
import { describeWith, use } from './kit/tools.ts'

// Debian builds it without; other distributions do not, so this is no lack that install.sh could mend.
const knowsMetalinks = spawnSync('wget', ['--version'], { encoding: 'utf8' }).stdout?.includes('+metalink') ?? false

function wget(): void {
  test('finds that a mirror lies and takes the file from the next', async ({ work, upstream }) => {
    await using liar = await createFakeUpstream()
    await using site = await openSite(work, upstream, [liar.url])
    const { digest } = site.sif
    const bytes = Buffer.from(await (await fetch(`${upstream.url}/v2/${images.sif.repository}/blobs/${digest}`)).arrayBuffer())
    liar.pushBlob(images.sif.repository, { bytes, digest: parseDigest(digest), mediaType: '' })
    await site.warm()
    liar.fault({ path: digest, method: 'GET' }, { flipAt: 12_345 })
    const out = await work.folder('out')
    await writeFile(`${out}/x.meta4`, placedFirst(await (await fetch(site.meta4(digest))).text(), liar.url))
    const words = ['--trust-server-names', '--input-metalink=x.meta4']
    const { code, stderr } = await use('wget', words, { env: work.env, cwd: out, timeoutMs: 60_000 })
    expect([code, stderr.match(/checksum mismatch/gi)], stderr.slice(-2_000)).toEqual([0, [expect.anything()]])
    expect(await fileDigest(`${out}/${hexOf(digest)}`)).toBe(digest)
    expect((await readdir(out)).sort()).toEqual([hexOf(digest), 'x.meta4'].sort())
  })
}

/** The same document with that place before all others: we always name ourselves first. */
function placedFirst(document: string, place: string): string {
  const urls = document.match(/ *<url .*<\/url>\n/g)!
  const sorted = urls.toSorted((a, b) => Number(b.includes(place)) - Number(a.includes(place)))
  const numbered = sorted.map((url, at) => url.replace(/priority="\d+"/, `priority="${at + 1}"`))
  return document.replace(urls.join(''), numbered.join(''))
}

const name = 'wget with a metalink'
if (knowsMetalinks) describeWith([...laboratory, 'nginx', 'wget'], name, wget)
else {
  console.log(`${name}: not run, this machine's wget was built without Metalink`)
  describe.skip(name, wget)
}
