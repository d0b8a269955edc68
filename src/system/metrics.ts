/** Counters, gauges and histograms in the Prometheus text format, version 0.0.4. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter
  /** `read` is asked at each exposition; or set the value. */
  gauge(name: string, help: string, read?: () => number): Gauge
  /** A gauge with labels: `read` gives the values of the labels, and the value, of all there are at each exposition. */
  gauges(name: string, help: string, labelNames: readonly string[], read: () => readonly Reading[]): void
  /** `bounds`: upper bounds, ascending, in the unit that the name ends with. */
  histogram(name: string, help: string, bounds: readonly number[], labelNames?: readonly string[]): Histogram
  expose(): string
}

export interface Counter {
  /** Label values come in the order of the names; they must be from a closed set. */
  add(amount?: number, ...labels: readonly string[]): void
  value(...labels: readonly string[]): number
  /** The one series of these labels, for those who add to it often. */
  with(...labels: readonly string[]): { add(amount?: number): void }
}
export type Reading = readonly [labels: readonly string[], value: number]
export interface Gauge {
  set(value: number): void
}
export interface Histogram {
  observe(value: number, ...labels: readonly string[]): void
  with(...labels: readonly string[]): { observe(value: number): void }
}

type Series<T> = (labels: readonly string[]) => T

export function createMetrics(): Metrics {
  const families: (() => string)[] = []
  const names = new Set<string>()

  function register(name: string, help: string, type: string, lines: () => readonly string[]): void {
    if (names.has(name)) throw new Error(`metric ${name} is there already`)
    names.add(name)
    families.push(
      () =>
        `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines().join('')}`,
    )
  }

  return {
    counter(name, help, labelNames = []) {
      const { series, all } = createSeries(() => ({ value: 0 }))
      register(name, help, 'counter', () =>
        all().map(([labels, one]) => `${name}${printLabels(labelNames, labels)} ${one.value}\n`),
      )
      if (labelNames.length === 0) series([])
      return {
        add(amount = 1, ...labels) {
          series(labels).value += amount
        },
        value: (...labels) => series(labels).value,
        with(...labels) {
          const one = series(labels)
          return {
            add(amount = 1) {
              one.value += amount
            },
          }
        },
      }
    },
    gauge(name, help, read) {
      let value = 0
      register(name, help, 'gauge', () => [`${name} ${read ? read() : value}\n`])
      return {
        set(next) {
          value = next
        },
      }
    },
    gauges(name, help, labelNames, read) {
      register(name, help, 'gauge', () => read().map(([labels, value]) => `${name}${printLabels(labelNames, labels)} ${value}\n`))
    },
    histogram(name, help, bounds, labelNames = []) {
      const { series, all } = createSeries(() => ({ counts: new Float64Array(bounds.length + 1), sum: 0 }))
      register(name, help, 'histogram', () =>
        all().flatMap(([labels, one]) => printHistogram(name, bounds, labelNames, labels, one)),
      )
      const observe = (one: { counts: Float64Array; sum: number }, value: number) => {
        one.sum += value
        let at = 0
        while (at < bounds.length && value > bounds[at]!) at++
        one.counts[at]! += 1
      }
      return {
        observe: (value, ...labels) => observe(series(labels), value),
        with(...labels) {
          const one = series(labels)
          return { observe: (value) => observe(one, value) }
        },
      }
    },
    expose: () => families.map((print) => print()).join(''),
  }
}

/** Finds a series by its label values without building a string: one map a label. */
function createSeries<T>(make: () => T): { series: Series<T>; all: () => (readonly [readonly string[], T])[] } {
  interface Node {
    value?: T
    readonly next: Map<string, Node>
  }
  const root: Node = { next: new Map() }

  function grow(node: Node, label: string): Node {
    const next: Node = { next: new Map() }
    node.next.set(label, next)
    return next
  }

  const list: (readonly [readonly string[], T])[] = []
  return {
    all: () => list,
    series(labels) {
      let node = root
      for (const label of labels) {
        node = node.next.get(label) ?? grow(node, label)
      }
      if (node.value === undefined) {
        node.value = make()
        list.push([[...labels], node.value])
      }
      return node.value
    },
  }
}

function printHistogram(
  name: string,
  bounds: readonly number[],
  labelNames: readonly string[],
  labels: readonly string[],
  one: { counts: Float64Array; sum: number },
): readonly string[] {
  let total = 0
  const buckets = [...one.counts].map((count, at) => {
    total += count
    return `${name}_bucket${printLabels([...labelNames, 'le'], [...labels, at < bounds.length ? String(bounds[at]) : '+Inf'])} ${total}\n`
  })
  const plain = printLabels(labelNames, labels)
  return [...buckets, `${name}_sum${plain} ${one.sum}\n`, `${name}_count${plain} ${total}\n`]
}

function printLabels(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return ''
  return `{${names.map((name, at) => `${name}="${escapeValue(values[at] ?? '')}"`).join(',')}}`
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
