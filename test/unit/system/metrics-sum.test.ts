import { expect, test } from 'vitest'
import { createMetrics } from '../../../src/system/metrics.ts'
import { countedIn, sumMetrics } from '../../../src/system/metrics-sum.ts'

test('what several processes count is added up, series by series', () => {
  const [one, other] = [createMetrics(), createMetrics()]
  for (const [metrics, amount] of [
    [one, 2],
    [other, 5],
  ] as const) {
    const hits = metrics.counter('hits_total', 'Hits', ['route'])
    hits.add(amount, 'a "quoted" one')
    hits.add(amount, `of ${amount}`)
    metrics.gauge('open', 'Open', () => amount)
    metrics.histogram('took_seconds', 'Took', [1]).observe(amount)
  }
  one.gauge('held', 'Held', () => 1.5)
  expect(sumMetrics([one.expose(), other.expose(), ''])).toBe(`# HELP hits_total Hits
# TYPE hits_total counter
hits_total{route="a \\"quoted\\" one"} 7
hits_total{route="of 2"} 2
hits_total{route="of 5"} 5
# HELP open Open
# TYPE open gauge
open 7
# HELP took_seconds Took
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 0
took_seconds_bucket{le="+Inf"} 2
took_seconds_sum 7
took_seconds_count 2
# HELP held Held
# TYPE held gauge
held 1.5
`)
  expect(sumMetrics([one.expose()])).toBe(one.expose())
  expect(sumMetrics([])).toBe('')
})

test('of a process that is gone, what it counted stays', () => {
  const gone = createMetrics()
  gone.counter('hits_total', 'Hits').add(3)
  gone.gauge('open', 'Open', () => 2)
  gone.histogram('took_seconds', 'Took', [1], ['route']).observe(0.5, 'blob')
  const left = countedIn(gone.expose())
  expect(left).toContain('hits_total 3\n')
  expect(left).toContain('took_seconds_count{route="blob"} 1\n')
  expect(left).not.toContain('open')
  expect(sumMetrics([gone.expose(), left])).toContain('hits_total 6\n')
  expect(countedIn('')).toBe('')
})
