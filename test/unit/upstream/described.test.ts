import { describe, expect, test } from 'vitest'
import type { ForeignFile } from '../../../src/formats/metalink-document.ts'
import type { Source } from '../../../src/model/artifact.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createDescribed } from '../../../src/upstream/described.ts'
import type { SourceBody } from '../../../src/upstream/upstream.ts'
import { blob } from '../../kit/blobs.ts'
import { calm, faultOf } from '../../kit/bytes.ts'

const via = '_metalink' as UpstreamId
const hashes = new Uint8Array(3 * 32).fill(7)
const file: ForeignFile = {
  name: 'x',
  digests: [],
  pieces: { length: 100, algorithm: 'sha256', hashes },
  signature: '-----BEGIN PGP SIGNATURE-----',
  urls: [
    { url: 'https://second.example/x', priority: 7, country: 'de' },
    { url: 'http://private.example/x', priority: 9 },
  ],
}
const other: Source = { url: new URL('https://other.example/x'), via, priority: 1 }
const links = { duplicates: [{ url: 'https://somewhere.example/x', priority: 1 }], describedBy: [] }
const body = {
  status: 200,
  range: { start: 0, end: 1 },
  total: 1,
  validator: undefined,
  links,
  body: [],
} as unknown as SourceBody

function setUp() {
  const asked: string[] = []
  const http = {
    request: async ({ url }: { url: URL }) => Promise.reject(new Error(`asked ${asked.push(url.href)}`)),
    mayLearn: ({ protocol }: URL) => protocol === 'https:',
  }
  const described = createDescribed(http)
  const found = { pieces: undefined, sources: [other] }
  return {
    described,
    asked,
    found,
    discover: described.discovering(async () => found),
    read: described.reading(async () => body),
  }
}

describe('the places of a file that a metalink describes', () => {
  test('are those that may be asked, with priority and country, without credentials', () => {
    expect(setUp().described.sourcesOf(file, via)).toEqual([
      { url: new URL('https://second.example/x'), via, priority: 7, country: 'de', place: 'learnt' },
    ])
  })

  test('lead to its pieces and its signature, and to no place that an answer tells of', async () => {
    const { described, discover, read } = setUp()
    const [source] = described.sourcesOf(file, via)
    const answer = await read(source!, {}, calm)
    expect(answer.links).toEqual({ duplicates: [], describedBy: [] })
    expect(await discover(blob(1).digest, 250, answer.links!, source!, calm)).toEqual({
      pieces: { length: 100, hashes },
      sources: [],
      signature: file.signature,
    })
  })

  test('lead to no pieces where their number does not fit the size', async () => {
    const { described, discover } = setUp()
    const [source] = described.sourcesOf(file, via)
    expect((await discover(blob(1).digest, 350, links, source!, calm)).pieces).toBeUndefined()
  })

  test('change nothing for other places', async () => {
    const { described, discover, read, found } = setUp()
    described.sourcesOf(file, via)
    expect((await read(other, {}, calm)).links).toEqual(links)
    expect(await discover(blob(1).digest, 250, links, other, calm)).toBe(found)
  })
})

test('a metalink at a place that nobody named and that is not https is not asked for', async () => {
  const { described, asked } = setUp()
  expect(await faultOf(described.read(new URL('http://private.example/x.meta4'), calm))).toBe('outbound-blocked')
  expect(asked).toEqual([])
})
