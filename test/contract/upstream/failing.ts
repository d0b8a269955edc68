import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/model/fault.ts'
import { faultOf } from '../../kit/bytes.ts'
import { asking, blobNamed, manifestNamed, tool } from '../../kit/questions.ts'
import type { UpstreamBench } from './bench.ts'

/** How an upstream that does not answer well is told. */
export function failurePromises(bench: UpstreamBench): void {
  const { start, fetchOf, found, layer, app } = bench

  describe('failing', () => {
    test.each([
      { status: 401, want: 'upstream-refused' },
      { status: 403, want: 'upstream-refused' },
      { status: 429, want: 'upstream-limited' },
      { status: 500, want: 'upstream-status' },
      { status: 503, want: 'upstream-status' },
      { status: 418, want: 'upstream-status' },
    ])('$status is $want, for whatever is asked', async ({ status, want }) => {
      const upstream = await start()
      bench.registry.fault({}, { status })
      expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking()))).toBe(want)
      expect(await faultOf(upstream.resolve(blobNamed(layer.digest), asking()))).toBe(want)
      expect(await faultOf(fetchOf(upstream))).toBe(want)
      expect(await faultOf(upstream.tags(tool, {}, asking()))).toBe(want)
    })

    test('429 says when to come back', async () => {
      const upstream = await start()
      bench.registry.fault({}, { status: 429, headers: { 'retry-after': '7' } })
      const fault = (await upstream.resolve(manifestNamed('v1'), asking()).catch((error) => error)) as Fault
      expect(fault.details).toMatchObject({ retryAfterMs: 7_000 })
    })

    test('429 says when to come back where it only tells of its limits, too', async () => {
      const upstream = await start()
      const headers = { 'ratelimit-limit': '10', 'ratelimit-remaining': '0', 'ratelimit-reset': '9' }
      bench.registry.fault({}, { status: 429, headers })
      const fault = (await upstream.resolve(manifestNamed('v1'), asking()).catch((error) => error)) as Fault
      expect(fault.details).toMatchObject({ retryAfterMs: 9_000 })
    })

    test('a small failure that passes is not seen', async () => {
      const upstream = await start()
      bench.registry.fault({ nth: 1 }, { reset: true })
      bench.registry.fault({ nth: 2 }, { status: 502 })
      expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
      expect(bench.registry.requests).toHaveLength(3)
    })

    test('nobody there is unreachable, and after five failures nobody is asked for a while', async () => {
      const upstream = await start()
      await bench.registry.refuse()
      for (let at = 0; at < 5; at++) expect(await faultOf(fetchOf(upstream))).toBe('upstream-unreachable')
      await bench.registry.reopen()
      const error = (await fetchOf(upstream).catch((error) => error)) as Error
      expect(error.message).toContain('left alone')
      expect(bench.registry.requests).toHaveLength(0)
    })

    test('who leaves ends the question', async () => {
      const upstream = await start()
      const gate = bench.registry.hold({})
      const control = new AbortController()
      const asked = upstream.resolve(manifestNamed('v1'), asking({ signal: control.signal }))
      await gate.arrived()
      control.abort(new Error('gone'))
      await expect(asked).rejects.toThrow('gone')
      await bench.registry.quiet()
    })
  })
}
