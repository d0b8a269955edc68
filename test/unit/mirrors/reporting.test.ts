import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../../src/mirrors/mirrors.ts'
import { reporting } from '../../../src/mirrors/reporting.ts'
import type { Source } from '../../../src/model/artifact.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'

const via = 'lab.example' as UpstreamId
const mirror: Source = { url: new URL('http://m.example/x'), via, priority: 1, place: 'mirror' }
const upstream: Source = { url: new URL('http://u.example/x'), via, priority: 2 }
const cut = new Fault('source-cut', { url: 'http://m.example/x', received: 3 })

/** What is told of one reading of three chunks of two bytes, 10 ms each. */
async function told(source: Source, how: { fault?: Fault; refused?: Fault; stopAfter?: number; aborted?: boolean } = {}) {
  const outcomes: Outcome[] = []
  let now = 0
  const control = new AbortController()
  async function* body() {
    for (let chunk = 0; chunk < 3; chunk++) {
      now += 10
      yield new Uint8Array(2)
    }
    if (how.aborted) control.abort()
    if (how.fault) throw how.fault
  }
  const read = reporting(
    async () => {
      if (how.refused) throw how.refused
      return { body: body() }
    },
    (_, outcome) => outcomes.push(outcome),
    () => now,
  )
  let chunks = 0
  const error = await (async () => {
    const answer = await read(source, {}, control.signal)
    for await (const _ of answer.body) if (++chunks === how.stopAfter) break
  })().catch((error: unknown) => error)
  return { outcomes, error }
}

describe('reading from a mirror tells', () => {
  test('how many bytes came in how long', async () => {
    expect((await told(mirror)).outcomes).toEqual([{ kind: 'bytes', bytes: 6, ms: 30 }])
  })

  test('what came before the reader had enough', async () => {
    expect((await told(mirror, { stopAfter: 2 })).outcomes).toEqual([{ kind: 'bytes', bytes: 4, ms: 20 }])
  })

  test('only the fault of a body that broke off, which the reader gets too', async () => {
    const { outcomes, error } = await told(mirror, { fault: cut })
    expect(outcomes).toEqual([{ kind: 'fault', fault: cut }])
    expect(error).toBe(cut)
  })

  test('the fault of an answer that never came', async () => {
    const { outcomes, error } = await told(mirror, { refused: cut })
    expect(outcomes).toEqual([{ kind: 'fault', fault: cut }])
    expect(error).toBe(cut)
  })

  test('nothing bad of it when the reader gave up', async () => {
    expect((await told(mirror, { fault: cut, aborted: true })).outcomes).toEqual([])
  })
})

test('of the upstream itself nothing is told', async () => {
  expect((await told(upstream)).outcomes).toEqual([])
  expect((await told(upstream, { fault: cut })).outcomes).toEqual([])
})
