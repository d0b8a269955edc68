import { describe, expect, test } from 'vitest'
import { createQueue } from '../../../src/transfer/queue.ts'

const calm = new AbortController().signal

describe('the queue of fills', () => {
  test('lets no more in at once than its limit', async () => {
    const queue = createQueue(2, 10)
    const leave = await queue.enter('a', calm)
    await queue.enter('a', calm)
    let isIn = false
    const third = queue.enter('a', calm).then(() => {
      isIn = true
    })
    await Promise.resolve()
    expect(isIn).toBe(false)
    leave()
    await third
    expect(queue.waiting).toBe(0)
  })

  test('takes turns between keys, however many of one wait', async () => {
    const queue = createQueue(1, 100)
    let leave = await queue.enter('a', calm)
    const order: string[] = []
    const waiting = ['a', 'a', 'a', 'b', 'c'].map((key) =>
      queue.enter(key, calm).then((free) => {
        order.push(key)
        leave = free
      }),
    )
    for (let at = 0; at < waiting.length; at++) {
      leave()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(order).toEqual(['a', 'b', 'c', 'a', 'a'])
  })

  test('may be given other limits while some work and some wait', async () => {
    const queue = createQueue(1, 1)
    const leave = await queue.enter('a', calm)
    const waiting = queue.enter('b', calm)
    queue.setLimits(3, 1)
    await waiting
    const leaveThird = await queue.enter('c', calm)
    queue.setLimits(1, 0)
    await expect(queue.enter('d', calm)).rejects.toMatchObject({ code: 'overloaded' })
    leave()
    leaveThird()
    await expect(queue.enter('d', calm), 'one still works').rejects.toMatchObject({ code: 'overloaded' })
    ;(await waiting)()
    await queue.enter('d', calm)
  })

  test('refuses more waiters than it has room for', async () => {
    const queue = createQueue(1, 1)
    await queue.enter('a', calm)
    void queue.enter('a', calm)
    await expect(queue.enter('b', calm)).rejects.toMatchObject({ code: 'overloaded' })
  })

  test('forgets who leaves before the turn comes, and gives a place back only once', async () => {
    const queue = createQueue(1, 10)
    const leave = await queue.enter('a', calm)
    const leaving = new AbortController()
    const gone = queue.enter('a', leaving.signal)
    leaving.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    expect(queue.waiting).toBe(0)
    leave()
    leave()
    await queue.enter('b', calm)
    let isIn = false
    void queue.enter('b', calm).then(() => {
      isIn = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isIn).toBe(false)
  })
})
