import { expect, test } from 'vitest'
import { createMetrics } from '../../../src/system/metrics.ts'

test('counters, gauges and histograms are printed as Prometheus reads them', () => {
  const metrics = createMetrics()
  const hits = metrics.counter('hits_total', 'Hits', ['upstream', 'kind'])
  const plain = metrics.counter('plain_total', 'Plain')
  let level = 3
  metrics.gauge('level', 'Level', () => level)
  const told = metrics.gauge('told', 'Told')
  const seconds = metrics.histogram('took_seconds', 'Took', [0.1, 1], ['route'])
  hits.add(1, 'hub', 'a')
  hits.add(2, 'hub', 'a')
  hits.add(undefined, 'quay', 'a')
  level = 4
  told.set(7)
  for (const value of [0.05, 0.1, 0.5, 20]) seconds.observe(value, 'blob')
  plain.add()
  expect(metrics.expose()).toBe(`# HELP hits_total Hits
# TYPE hits_total counter
hits_total{upstream="hub",kind="a"} 3
hits_total{upstream="quay",kind="a"} 1
# HELP plain_total Plain
# TYPE plain_total counter
plain_total 1
# HELP level Level
# TYPE level gauge
level 4
# HELP told Told
# TYPE told gauge
told 7
# HELP took_seconds Took
# TYPE took_seconds histogram
took_seconds_bucket{route="blob",le="0.1"} 2
took_seconds_bucket{route="blob",le="1"} 3
took_seconds_bucket{route="blob",le="+Inf"} 4
took_seconds_sum{route="blob"} 20.65
took_seconds_count{route="blob"} 4
`)
  expect(hits.value('hub', 'a')).toBe(3)
  expect(hits.value('hub', 'b')).toBe(0)
})

test('label values and help cannot break a line', () => {
  const metrics = createMetrics()
  metrics.counter('a_total', 'one\ntwo \\ three', ['name']).add(1, 'x"\n\\y')
  expect(metrics.expose()).toBe('# HELP a_total one\\ntwo \\\\ three\n# TYPE a_total counter\na_total{name="x\\"\\n\\\\y"} 1\n')
})

test('a counter without labels is there before it counted', () => {
  const metrics = createMetrics()
  metrics.counter('a_total', 'A')
  expect(metrics.expose()).toContain('\na_total 0\n')
})

test('gauges with labels are those that there are at the time', () => {
  const metrics = createMetrics()
  const levels = new Map([['a', 1]])
  metrics.gauges('level', 'Level', ['of'], () => [...levels].map(([of, level]) => [[of], level]))
  expect(metrics.expose()).toBe('# HELP level Level\n# TYPE level gauge\nlevel{of="a"} 1\n')
  levels.delete('a')
  levels.set('b', 2)
  expect(metrics.expose()).toBe('# HELP level Level\n# TYPE level gauge\nlevel{of="b"} 2\n')
})

test('a name is given once', () => {
  const metrics = createMetrics()
  metrics.counter('a_total', 'A')
  expect(() => metrics.gauge('a_total', 'A')).toThrow('a_total')
})
