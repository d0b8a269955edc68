import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, content, MiB, seededBytes } from '../kit/blobs.ts'
import { image, multiPlatform, sif } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lintMetalink } from '../kit/metalink-lint.ts'
import { hasXmllint, refusedBySchema } from '../kit/metalink-schema.ts'
import { createMirroredWorld, type MirroredWorld } from '../kit/mirrored-world.ts'
import { openPgpFile } from '../kit/openpgp.ts'

expectNoLeaks()

const [held, known] = [blob(9 * MiB, 'held'), blob(5 * MiB, 'known')]
const other = content(seededBytes(6 * MiB, 'by another hash'), undefined, 'sha512')
const [app, docker, tool] = [multiPlatform({ layers: [5 * MiB, 3000] }), image({ style: 'docker' }), sif(6 * MiB)]

/** The documents there are, each from a house that knows all it can about it. */
const kinds: Readonly<Record<string, (world: MirroredWorld) => string>> = {
  'a blob with pieces': (world) => world.meta4(held.digest),
  'a blob without': (world) => world.meta4(known.digest),
  'a blob known by its sha512': (world) => world.meta4(other.digest),
  'a manifest': (world) => world.meta4(docker.manifest.digest),
  'an image of one platform': (world) => world.imageMeta4('lab/app:1.0'),
  'an image of all platforms': (world) => world.imageMeta4('lab/app:1.0', '?platform=all'),
  'an image without an index': (world) => world.imageMeta4('lab/docker:latest'),
  'an image by digest': (world) => world.imageMeta4(`lab/app@${app.manifest.digest}`),
  'a SIF': (world) => world.imageMeta4('lab/tool:2.1'),
}

interface Documents {
  readonly own: string // beginning of our URLs
  readonly texts: ReadonlyMap<string, string> // by kind
}

async function documents(signing: Readonly<Record<string, unknown>>): Promise<Documents> {
  const plans = [{ settings: { country: 'de' } }, { settings: { site: 'hall-2' } }]
  await using world = await createMirroredWorld(plans, { house: { more: signing } })
  for (const place of [world.upstream, ...world.mirrors]) {
    place.pushBlob('lab/tool', held, known, other)
    place.push('lab/app', app, '1.0')
    place.push('lab/docker', docker, 'latest')
    place.push('lab/tool', tool, '2.1')
  }
  await ask(world.blob('lab/tool', known.digest), { method: 'HEAD' })
  await ask(world.manifest('lab/docker', 'latest'))
  for (const { digest } of [held, other, tool.blobs[1]!]) {
    const reply = await ask(world.blob('lab/tool', digest))
    expect([reply.status, reply.end]).toEqual([200, 'clean'])
  }
  const texts = new Map<string, string>()
  const isSigned = 'signing' in signing
  const inPieces = ['a blob with pieces', 'a blob known by its sha512', 'a SIF']
  for (const [name, url] of Object.entries(kinds)) {
    const told = async () => {
      const { status, body } = await ask(url(world))
      texts.set(name, body.toString())
      return [name, status, ...(inPieces.includes(name) ? [body.includes('<pieces '), body.includes('<signature ')] : [])]
    }
    // Other names, pieces and signatures are written down just after the blob.
    await expect.poll(told).toEqual([name, 200, ...(inPieces.includes(name) ? [true, isSigned] : [])])
  }
  return { own: world.house.url, texts }
}

describe.each([
  ['without a key of the site', {}],
  ['signed by the site', { signing: { key: { file: openPgpFile('site.sec.asc') } } }],
])('every kind of document, %s,', (_, signing) => {
  test('is free of lint', async () => {
    const { own, texts } = await documents(signing)
    for (const [name, text] of texts) expect([name, lintMetalink(text, { own })]).toEqual([name, []])
    expect(texts.get('a blob without')).not.toContain('<pieces ')
  })

  test.skipIf(!hasXmllint())('is valid against the schema of RFC 5854 (needs xmllint)', async () => {
    const { texts } = await documents(signing)
    const spoilt = texts.get('a SIF')!.replace('priority="1"', 'priority="0"')
    const { refused, said } = refusedBySchema([...texts.values(), spoilt])
    expect(refused, said).toEqual([texts.size])
  })
})
