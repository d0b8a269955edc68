import { expect, test } from 'vitest'
import { createIntervals } from '../../../src/model/intervals.ts'
import { createCredits } from '../../../src/transfer/blame.ts'
import { createChecking } from '../../../src/transfer/checking.ts'
import { createSources } from '../../../src/transfer/sources.ts'
import { silent, sourceAt } from './memory-house.ts'

function setUp() {
  const hashed = Promise.withResolvers<Uint8Array>()
  const failures: unknown[] = []
  let parts = 0
  const checking = createChecking({
    what: `sha256:${'0'.repeat(64)}` as never,
    pieces: { length: 100, hashes: new Uint8Array(64) },
    size: 200,
    spool: { path: 'spool', held: createIntervals([{ start: 0, end: 100 }]), forget: () => {} },
    sources: createSources('blob', [sourceAt('a')]),
    credits: createCredits(),
    hasher: {
      part() {
        parts++
        return hashed.promise
      },
    },
    log: silent,
    changed: () => {},
    shownWrong: () => {},
    failed: (error) => failures.push(error),
  })
  return { checking, hashed, failures, parts: () => parts }
}

test('a piece that cannot be read fails the fill', async () => {
  const { hashed, failures } = setUp()
  hashed.reject(new Error('it is gone'))
  await new Promise((resolve) => setImmediate(resolve))
  expect(failures).toHaveLength(1)
})

test('once hashes count no more, a piece that cannot be read fails nothing, and none is hashed', async () => {
  const { checking, hashed, failures, parts } = setUp()
  checking.giveUp()
  hashed.reject(new Error('the spool was begun anew'))
  checking.came(100, 200)
  checking.came(0, 200)
  await new Promise((resolve) => setImmediate(resolve))
  expect([failures.length, parts()]).toEqual([0, 1])
})
