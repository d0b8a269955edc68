import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/model/fault.ts'
import { blob } from '../../kit/blobs.ts'
import { calm, faultOf } from '../../kit/bytes.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import type { UpstreamBench } from './bench.ts'

/** Bytes: sizes, ranges, and what is done when they are not what was asked for. */
export function blobPromises(bench: UpstreamBench): void {
  const { start, fetchOf, bytesOf, layer } = bench

  describe('blobs', () => {
    test('a HEAD tells the size and brings no body', async () => {
      const upstream = await start()
      expect(await upstream.resolve(blobNamed(layer.digest), asking())).toMatchObject({
        outcome: 'found',
        artifact: { size: 300_000, digests: [layer.digest] },
      })
      expect(bench.registry.bytesSent(layer.digest)).toBe(0)
    })

    test.each([{ status: 404 }, { status: 405 }, { length: 'chunked' as const }])(
      'where HEAD answers %j one byte tells',
      async (fault) => {
        const upstream = await start()
        bench.registry.fault({ method: 'HEAD' }, fault)
        expect(await upstream.resolve(blobNamed(layer.digest), asking())).toMatchObject({ artifact: { size: 300_000 } })
        await bench.registry.quiet()
        expect(bench.registry.bytesSent(layer.digest)).toBeLessThanOrEqual(1)
      },
    )

    test('an empty blob has size 0 also where HEAD does not say', async () => {
      const upstream = await start()
      const empty = blob(0)
      bench.registry.pushBlob('lab/tool', empty)
      bench.registry.fault({ method: 'HEAD' }, { status: 405 })
      expect(await upstream.resolve(blobNamed(empty.digest), asking())).toMatchObject({ artifact: { size: 0 } })
    })

    test('the whole comes as it is, with its size and validator', async () => {
      const upstream = await start()
      const body = await upstream.read(upstream.sourceOf(blobNamed(layer.digest)), {}, calm)
      expect(body).toMatchObject({
        status: 200,
        range: { start: 0, end: 300_000 },
        total: 300_000,
        validator: `"${layer.digest}"`,
      })
      expect((await bytesOf(body)).equals(layer.bytes)).toBe(true)
    })

    test.each([
      { range: { start: 0, end: 1 }, want: [0, 1] },
      { range: { start: 299_999 }, want: [299_999, 300_000] },
      { range: { start: 1_000, end: 400_000 }, want: [1_000, 300_000] },
    ] as const)('of $range exactly those bytes come', async ({ range, want: [first, end] }) => {
      const upstream = await start()
      const body = await upstream.read(upstream.sourceOf(blobNamed(layer.digest)), { range }, calm)
      expect(body).toMatchObject({ status: 206, range: { start: first, end }, total: 300_000 })
      expect((await bytesOf(body)).equals(layer.bytes.subarray(first, end))).toBe(true)
    })

    test('who ignores the range sends the whole and says so', async () => {
      const upstream = await start({ ranges: false })
      const body = await upstream.read(upstream.sourceOf(blobNamed(layer.digest)), { range: { start: 5 } }, calm)
      expect(body).toMatchObject({ status: 200, range: { start: 0, end: 300_000 } })
      expect((await bytesOf(body)).length).toBe(300_000)
    })

    test.each([
      { contentRange: 'bytes 0-99/300000' },
      { contentRange: 'bytes 101-200/300000' },
      { contentRange: 'bytes 100-299999/300000' },
      { contentRange: 'bytes 100-199/150' },
      { contentRange: 'nonsense' },
      { headers: { 'content-range': undefined } },
    ])('a partial answer that says %j is not used, and its connection is let go', async (fault) => {
      const upstream = await start()
      bench.registry.fault({ method: 'GET' }, { ...fault, stallAfter: 50 })
      expect(await faultOf(fetchOf(upstream, { range: { start: 100, end: 200 } }))).toBe('source-changed')
      await bench.registry.quiet()
    })

    test('a range past the end means that the bytes are others', async () => {
      const upstream = await start()
      expect(await faultOf(fetchOf(upstream, { range: { start: 300_000 } }))).toBe('source-changed')
    })

    test('a changed validator brings the whole anew', async () => {
      const upstream = await start()
      const source = upstream.sourceOf(blobNamed(layer.digest))
      const same = await upstream.read(source, { range: { start: 5 }, validator: `"${layer.digest}"` }, calm)
      expect(same.status).toBe(206)
      await bytesOf(same)
      const other = await upstream.read(source, { range: { start: 5 }, validator: '"other"' }, calm)
      expect(other.status).toBe(200)
      await bytesOf(other)
    })

    test('a weak validator is none', async () => {
      const upstream = await start({ etags: 'weak' })
      const body = await upstream.read(upstream.sourceOf(blobNamed(layer.digest)), {}, calm)
      expect(body.validator).toBeUndefined()
      await bytesOf(body)
    })

    test('an encoded body is not taken for the bytes', async () => {
      const upstream = await start()
      bench.registry.fault({}, { gzip: true })
      expect(await faultOf(fetchOf(upstream))).toBe('upstream-invalid')
      expect(bench.registry.requests[0]!.headers['accept-encoding']).toBe('identity')
    })

    test('a body cut short is a fault with what came of it', async () => {
      const upstream = await start()
      bench.registry.fault({}, { cutAfter: 100_000 })
      const error = (await fetchOf(upstream).catch((error) => error)) as Fault
      expect(error).toMatchObject({ code: 'source-cut', details: { received: 100_000, expected: 300_000 } })
    })

    test('what is not there any more is not found', async () => {
      const upstream = await start()
      bench.registry.removeBlob('lab/tool', layer.digest)
      expect(await faultOf(fetchOf(upstream))).toBe('not-found')
    })

    test('no more bodies come in at once than are allowed', async () => {
      const upstream = await start()
      const gate = bench.registry.hold({ path: '/blobs/' })
      const source = upstream.sourceOf(blobNamed(layer.digest))
      const many = Array.from({ length: 5 }, async () => (await bytesOf(await upstream.read(source, {}, calm))).length)
      await gate.arrived(2)
      expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking())), 'small answers do not wait').toBeUndefined()
      expect(gate.arrivals).toBe(2)
      gate.open()
      expect(await Promise.all(many)).toEqual(Array(5).fill(300_000))
    })

    test('who leaves a body gives its place back', async () => {
      const upstream = await start()
      const source = upstream.sourceOf(blobNamed(layer.digest))
      for (let round = 0; round < 6; round++) {
        const control = new AbortController()
        await upstream.read(source, {}, control.signal)
        control.abort()
      }
      expect((await fetchOf(upstream)).length).toBe(300_000)
    })
  })
}
