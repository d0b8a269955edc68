import { describe, expect, test, vi } from 'vitest'
import { createMirrors, type Place } from '../../../src/mirrors/create-mirrors.ts'
import type { Source } from '../../../src/model/artifact.ts'
import { parseDigest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { BlobReference, Repository, UpstreamId } from '../../../src/model/reference.ts'
import { createHandClock } from '../../kit/hand-clock.ts'

const minute = 60_000
const upstream = 'lab.example' as UpstreamId
const size = 1000
const blob = (n: number): BlobReference => ({
  kind: 'blob',
  upstream,
  repository: 'lab/tool' as Repository,
  digest: parseDigest(`sha256:${String(n).padStart(64, '0')}`),
})
const one = blob(1)
const origin: Source = { url: new URL('http://origin/x'), via: upstream, priority: 500_000 }
const failing = new Fault('upstream-status', { url: 'http://a/', status: 500 })

const place = (host: string, more: Partial<Place> = {}): Place => ({
  upstream,
  kind: 'registry',
  url: new URL(`http://${host}`),
  priority: 1,
  country: undefined,
  site: undefined,
  isListed: true,
  ...more,
})

type Answer = number | undefined | Fault

/** Places by host name, each with what it answers when asked for a size. */
function setUp(places: readonly Place[], answers: Record<string, () => Answer | Promise<Answer>> = {}) {
  const clock = createHandClock()
  const asked: string[] = []
  const kinds: Source['place'][] = []
  const mirrors = createMirrors({
    places,
    here: {},
    clock,
    async sizeAt({ url, place }) {
      asked.push(url.hostname)
      kinds.push(place)
      const answer = await (answers[url.hostname] ?? (() => size))()
      if (answer instanceof Fault) throw answer
      return answer
    },
  })
  const hosts = (list: readonly { url: URL }[]) => list.map(({ url }) => url.hostname)
  return {
    clock,
    asked,
    kinds,
    mirrors,
    listed: (reference = one) => hosts(mirrors.proved(reference, size)),
    ranked: () => hosts(mirrors.rank(one, [origin])),
    source: (host: string) => mirrors.rank(one, [origin]).find(({ url }) => url.hostname === host)!,
  }
}

describe('places for a fill', () => {
  test('are the mirrors by rank, with priorities dense from 1, and the upstream after them', () => {
    const { mirrors } = setUp([place('b', { priority: 7, country: 'de' }), place('a', { priority: 3 })])
    const sources = mirrors.rank(one, [origin])
    expect(sources.map(({ url, priority }) => [url.hostname, priority])).toEqual([
      ['a', 1],
      ['b', 2],
      ['origin', 500_000],
    ])
    expect(sources.map(({ place, country }) => [place, country])).toEqual([
      ['mirror', undefined],
      ['mirror', 'de'],
      [undefined, undefined],
    ])
  })

  test('are those of the upstream asked for, and not the upstream again', () => {
    const other = place('other', { upstream: 'other.example' as UpstreamId })
    const { ranked, mirrors } = setUp([place('a'), other, place('origin', { kind: 'origin' })])
    expect(ranked()).toEqual(['a', 'origin'])
    expect([mirrors.has(upstream), mirrors.has('third.example' as UpstreamId)]).toEqual([true, false])
  })

  test('are not those that are down, until their pause is over', async () => {
    const { mirrors, ranked, source, clock } = setUp([place('a'), place('b')])
    const a = source('a')
    for (let times = 0; times < 3; times++) mirrors.report(a, { kind: 'fault', fault: failing })
    expect(ranked()).toEqual(['b', 'origin'])
    await clock.advance(minute)
    expect(ranked()).toEqual(['a', 'b', 'origin'])
  })

  test('are not one that lied once', () => {
    const { mirrors, ranked, source } = setUp([place('a'), place('b')])
    mirrors.report(source('a'), { kind: 'fault', fault: new Fault('corrupt', { what: 'x', expected: 'a', actual: 'b' }) })
    expect(ranked()).toEqual(['b', 'origin'])
  })

  test('are not one that never answers when it is asked what it holds', async () => {
    const late = vi
      .spyOn(AbortSignal, 'timeout')
      .mockImplementation(() => AbortSignal.abort(new DOMException('late', 'TimeoutError')))
    try {
      const mirrors = createMirrors({
        places: [place('a')],
        here: {},
        clock: createHandClock(),
        sizeAt: async (_source, signal) => {
          throw signal.reason
        },
      })
      for (let n = 1; n <= 3; n++) await mirrors.prove(blob(n), size)
      expect(mirrors.list()[0]).toMatchObject({ state: 'down', lastError: expect.stringContaining('timed out') })
    } finally {
      late.mockRestore()
    }
  })

  test('include those that clients are not told of', () => {
    expect(setUp([place('a', { isListed: false })]).ranked()).toEqual(['a', 'origin'])
  })

  test('say of another one of us that it is one', () => {
    expect(setUp([place('f', { kind: 'forebay' })]).source('f').place).toBe('sibling')
  })

  test('do not count what is told of the upstream', () => {
    const { mirrors, ranked } = setUp([place('a')])
    for (let times = 0; times < 5; times++) mirrors.report(origin, { kind: 'fault', fault: failing })
    expect(ranked()).toEqual(['a', 'origin'])
  })
})

describe('places for clients', () => {
  test('are asked a few questions at a time, however many blobs an image has', async () => {
    let now = 0
    let most = 0
    const count = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      return size
    }
    const { mirrors, asked } = setUp([place('a')], { a: count })
    await Promise.all(Array.from({ length: 200 }, (_, n) => mirrors.prove(blob(n), size)))
    expect([asked.length, most]).toEqual([200, expect.toSatisfy((at: number) => at <= 16)])
  })

  test('that turn out to be down are asked none of the questions that still wait', async () => {
    const { mirrors, asked } = setUp([place('a')], { a: () => failing })
    await Promise.all(Array.from({ length: 200 }, (_, n) => mirrors.prove(blob(n), size)))
    expect(asked.length).toBeLessThan(40)
  })

  test('are none before anybody was asked, and then those with the right size', async () => {
    const answers = { short: () => size - 1, without: () => undefined, failing: () => failing }
    const { mirrors, listed } = setUp(
      ['a', 'short', 'without', 'failing', 'b'].map((host) => place(host)),
      answers,
    )
    expect(listed()).toEqual([])
    await mirrors.prove(one, size)
    expect(listed()).toEqual(['a', 'b'])
    expect(listed(blob(2))).toEqual([])
  })

  test('are asked once for each blob, also by many at once', async () => {
    const { mirrors, asked } = setUp([place('a')])
    await Promise.all([mirrors.prove(one, size), mirrors.prove(one, size)])
    await mirrors.prove(one, size)
    expect(asked).toEqual(['a'])
    await mirrors.prove(blob(2), size)
    expect(asked).toEqual(['a', 'a'])
  })

  test('are believed for hours, and told meanwhile while they are asked again', async () => {
    const { mirrors, asked, listed, clock } = setUp([place('a')])
    await mirrors.prove(one, size)
    const since = mirrors.proved(one, size)[0]!.since
    const version = mirrors.version
    await clock.advance(7 * 60 * minute)
    expect(listed()).toEqual(['a'])
    await mirrors.prove(one, size)
    expect(asked).toHaveLength(2)
    expect([mirrors.proved(one, size)[0]!.since, mirrors.version]).toEqual([since, version])
  })

  test('that had nothing are asked again after minutes', async () => {
    let answer: Answer
    const { mirrors, asked, listed, clock } = setUp([place('a')], { a: () => answer })
    await mirrors.prove(one, size)
    answer = size
    await mirrors.prove(one, size)
    expect([listed(), asked.length]).toEqual([[], 1])
    await clock.advance(6 * minute)
    await mirrors.prove(one, size)
    expect(listed()).toEqual(['a'])
  })

  test('move the version when they are others, and only then', async () => {
    let answer: Answer = size
    const { mirrors, clock, source } = setUp([place('a')], { a: () => answer })
    const versions = [mirrors.version]
    await mirrors.prove(one, size)
    versions.push(mirrors.version)
    await clock.advance(7 * 60 * minute)
    answer = undefined
    await mirrors.prove(one, size)
    versions.push(mirrors.version)
    mirrors.report(source('a'), { kind: 'fault', fault: failing })
    versions.push(mirrors.version)
    expect(new Set(versions).size).toBe(4)
    mirrors.report(source('a'), { kind: 'fault', fault: failing })
    expect(mirrors.version).toBe(versions.at(-1))
  })

  test('are not those that are down, and are again once one answers', async () => {
    let answer: Answer = failing
    const { mirrors, listed, clock } = setUp([place('a')], { a: () => answer })
    answer = size
    await mirrors.prove(one, size)
    answer = failing
    for (let n = 2; n < 5; n++) await mirrors.prove(blob(n), size)
    expect(listed()).toEqual([])
    expect(mirrors.list()[0]).toMatchObject({ state: 'down', lastError: expect.stringContaining('500') })
    answer = size
    await clock.advance(minute)
    await mirrors.prove(blob(5), size)
    expect(listed()).toEqual(['a'])
  })

  test('leave out one that is not to be told, which is then not even asked', async () => {
    const { mirrors, asked, listed } = setUp([place('a', { isListed: false }), place('b')])
    await mirrors.prove(one, size)
    expect([asked, listed()]).toEqual([['b'], ['b']])
  })

  test('end with the upstream, unless it wants a login, which is asked once an hour and not for each blob', async () => {
    const login = new Fault('upstream-refused', { url: 'http://origin/', status: 401 })
    const last = place('origin', { kind: 'origin', priority: Number.POSITIVE_INFINITY })
    const open = setUp([last, place('a')])
    await open.mirrors.prove(one, size)
    expect(open.listed()).toEqual(['a', 'origin'])

    const closed = setUp([last, place('a')], { origin: () => login })
    for (let n = 1; n < 4; n++) await closed.mirrors.prove(blob(n), size)
    expect([closed.listed(), closed.asked.filter((host) => host === 'origin').length]).toEqual([['a'], 1])
    await closed.clock.advance(61 * minute)
    await closed.mirrors.prove(blob(9), size)
    expect(closed.asked.filter((host) => host === 'origin').length).toBe(2)
  })

  test('are asked as what they are', async () => {
    const { mirrors, kinds } = setUp([place('a'), place('f', { kind: 'forebay' }), place('t', { kind: 'tree' })])
    await mirrors.prove(one, size)
    expect(kinds).toEqual(['mirror', 'sibling', 'mirror'])
  })
})

test('the list for people has every mirror by upstream and rank, and no upstream', () => {
  const last = place('origin', { kind: 'origin' })
  const { mirrors } = setUp([place('b', { priority: 5 }), last, place('a', { priority: 2, country: 'de' })])
  expect(mirrors.list()).toMatchObject([
    { upstream, url: 'http://a/', rank: 1, priority: 2, country: 'de', state: 'up', kind: 'registry' },
    { upstream, url: 'http://b/', rank: 2, priority: 5, country: undefined, state: 'up' },
  ])
})
