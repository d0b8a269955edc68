import { describe, expect, test } from 'vitest'
import { createGetFiles } from '../../../src/catalog/get-files.ts'
import type { ForeignFile } from '../../../src/formats/metalink-document.ts'
import type { Artifact, Source } from '../../../src/model/artifact.ts'
import { blob, KiB } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { asking } from '../../kit/questions.ts'

const content = blob(KiB, 'described')
const own = 'http://forebay.example'
const elsewhere = 'https://mirror.example/x'
const file: ForeignFile = { name: 'a/b c&d.bin', size: KiB, digests: [content.digest], urls: [] }

/** The verb over a transfer that only writes down what it is asked for. */
function setUp(urls: readonly string[], options: { held?: boolean; files?: readonly ForeignFile[]; ownUrl?: string } = {}) {
  const { held = false, files = [file], ownUrl = own } = options
  const stored = { id: idOf(content), size: KiB, lastUsed: 0, path: '/store/x' }
  const asked: { artifact: Artifact; urls: readonly string[] }[] = []
  const noted: unknown[] = []
  const described: readonly ForeignFile[] = files.map((one) => ({
    ...one,
    urls: urls.map((url, at) => ({ url, priority: at + 1 })),
  }))
  const getFiles = createGetFiles({
    described: {
      read: async () => ({ files: described, ignored: [] }),
      sourcesOf: (one, via) =>
        one.urls.map(({ url, priority }): Source => ({ url: new URL(url), via, priority, place: 'learnt' })),
    },
    store: { stat: async () => (held ? stored : undefined) },
    knowledge: { idOf: async () => stored.id, blob: async () => undefined },
    notes: { take: (_key, _fill, facts) => void noted.push(facts), noted: async () => {} },
    transfer: {
      running: () => undefined,
      fill: (artifact: Artifact, sources: readonly Source[]) => {
        asked.push({ artifact, urls: sources.map(({ url }) => url.href) })
        return { stored: Promise.resolve({ blob: stored }), follow: () => ({ [Symbol.asyncDispose]: async () => {} }) }
      },
    } as never,
    ownUrl: () => ownUrl,
  })
  return { asked, noted, get: () => getFiles({ url: 'https://mirror.example/x.meta4' }, asking()) }
}

describe('a file that a metalink describes', () => {
  test('is asked of other places than ourselves, who would wait for ourselves', async () => {
    const { get, asked } = setUp([`${own}/blobs/sha256/x`, elsewhere, `${own}.evil.example/x`])
    expect(await get()).toEqual([
      { name: file.name, id: content.digest, path: '/store/x', size: KiB, mediaType: 'application/octet-stream' },
    ])
    expect(asked.map(({ urls }) => urls)).toEqual([[elsewhere, `${own}.evil.example/x`]])
  })

  test('is demanded by its digest and in its size, under a name that is no path of ours', async () => {
    const { get, asked } = setUp([elsewhere])
    await get()
    expect(asked[0]!.artifact).toMatchObject({
      digests: [content.digest],
      size: KiB,
      reference: { kind: 'file', upstream: '_metalink', path: 'a/b%20c%26d.bin' },
    })
  })

  test('is nobody else’s: no repository is said to have it', async () => {
    const { get, noted } = setUp([elsewhere])
    await get()
    expect(noted).toEqual([{ mediaType: undefined, repositories: [], isPublic: false }])
  })

  test('is not asked for where it is held', async () => {
    const { get, asked } = setUp([], { held: true })
    expect(await get()).toMatchObject([{ path: '/store/x' }])
    expect(asked).toEqual([])
  })

  test('is not there where nobody but ourselves is named', async () => {
    expect(await faultOf(setUp([`${own}/blobs/sha256/x`]).get())).toBe('all-sources-failed')
  })

  test('is refused with all others of its document where one has no strong digest', async () => {
    const weak: ForeignFile = { ...file, name: 'weak', digests: [`md5:${'0'.repeat(32)}` as never] }
    const { get, asked } = setUp([elsewhere], { files: [file, weak] })
    expect(await faultOf(get())).toBe('upstream-invalid')
    expect(asked).toEqual([])
  })
})
