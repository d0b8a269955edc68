import { expect, test } from 'vitest'
import type { Source } from '../../../src/model/artifact.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import type { HttpResponse } from '../../../src/system/http.ts'
import { createDiscovery } from '../../../src/upstream/discovery.ts'
import { blob } from '../../kit/blobs.ts'
import { calm } from '../../kit/bytes.ts'
import { describeBlob } from '../../kit/described-blob.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

const layer = blob(5000, 'discovered')
const size = layer.bytes.length
const via = 'hub.example' as UpstreamId
const from: Source = { url: new URL('https://hub.example/x?token=secret'), via, priority: 1 }
const describedBy = (url: string) => ({ url, mediaType: 'application/metalink4+xml' })

function setUp(document: string, status = 200) {
  const log = createRecordedLog()
  const asked: string[] = []
  const http = {
    async request({ url }: { url: URL }) {
      asked.push(url.href)
      return { status, bytes: async () => Buffer.from(document), discard: async () => {} } as unknown as HttpResponse
    },
    mayLearn: ({ protocol }: URL) => protocol === 'https:',
  }
  const discover = createDiscovery(http, log)
  return {
    log,
    asked,
    discover: (duplicates: readonly string[], documents: readonly string[], source = from) =>
      discover(
        layer.digest,
        size,
        { duplicates: duplicates.map((url, at) => ({ url, priority: at + 1 })), describedBy: documents.map(describedBy) },
        source,
        calm,
      ),
  }
}

const why = ({ log }: Pick<ReturnType<typeof setUp>, 'log'>) =>
  log.lines.map(({ event, fields }) => [event, ...(fields as { why: readonly string[] }).why])

test('places and hashes of pieces come from the document that may be asked', async () => {
  const its = setUp(describeBlob(layer, ['https://a.example/x', 'https://b.example/x']))
  const found = await its.discover(['https://c.example/x'], ['http://inside.example/x.meta4', 'https://hub.example/x.meta4'])
  expect(found.sources.map(({ url, place }) => [url.href, place])).toEqual(
    ['c', 'a', 'b'].map((host) => [`https://${host}.example/x`, 'learnt']),
  )
  expect(found.pieces?.hashes).toHaveLength(32)
  expect(its.asked).toEqual(['https://hub.example/x.meta4'])
  expect(its.log.lines).toEqual([])
})

test('what is passed over is told in one line, without what is secret in a URL', async () => {
  const document = describeBlob(layer, ['https://a.example/x', 'http://b.example/x?key=secret']).replace(
    '</size>',
    '</size><url>file:///etc/passwd</url><url>ftp://a.example/x</url>',
  )
  const its = setUp(document)
  const { sources } = await its.discover(['http://10.1.2.3/x'], ['https://hub.example/x.meta4'])
  expect(sources.map(({ url }) => url.href)).toEqual(['https://a.example/x'])
  expect(why(its)).toEqual([
    [
      'discover.passed-over',
      'a file: URL in https://hub.example/x.meta4',
      'a ftp: URL in https://hub.example/x.meta4',
      'http://10.1.2.3/x is neither https nor named in the settings, or is this server itself',
      'http://b.example/x is neither https nor named in the settings, or is this server itself',
    ],
  ])
  expect(JSON.stringify(its.log.lines)).not.toContain('secret')
})

test('a document that may not be asked is not, nor one that is not there read', async () => {
  const blocked = setUp('')
  expect(await blocked.discover([], ['http://inside.example/x.meta4'])).toMatchObject({ pieces: undefined, sources: [] })
  expect(blocked.asked).toEqual([])
  expect(why(blocked)).toEqual([
    [
      'discover.passed-over',
      'http://inside.example/x.meta4 is neither https nor named in the settings, or is this server itself',
    ],
  ])
  const missing = setUp('', 404)
  await missing.discover([], ['https://hub.example/x.meta4'])
  expect(why(missing)).toEqual([['discover.passed-over', 'https://hub.example/x.meta4 answers 404']])
})

test('however many places there are, few are taken and the line stays short', async () => {
  const its = setUp('')
  const names = Array.from({ length: 40 }, (_, at) => `https://m${at}.example/x`)
  expect((await its.discover(names, [])).sources).toHaveLength(16)
  await its.discover(
    names.map((name) => name.replace('https', 'http')),
    [],
  )
  expect(why(its)[0]).toHaveLength(11)
})

test('what a place says that was itself learnt is not followed', async () => {
  const its = setUp(describeBlob(layer, ['https://a.example/x']))
  const found = await its.discover(['https://b.example/x'], ['https://hub.example/x.meta4'], { ...from, place: 'learnt' })
  expect(found).toEqual({ pieces: undefined, sources: [] })
  expect(its.asked).toEqual([])
})
