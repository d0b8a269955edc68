import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import type { News } from '../../../src/system/channel.ts'
import { createLine } from '../../kit/line.ts'

describe('a channel', () => {
  test('brings arguments and answers over as they are, with URLs, bytes, infinity and what is undefined', async () => {
    const value = {
      url: new URL('https://a.example/x?y'),
      list: [1, { bytes: Buffer.from([1, 2]) }],
      end: Infinity,
      none: undefined,
    }
    const { near } = createLine({}, { echo: ([one]) => one })
    const answer = await near.call<typeof value>('echo', [value])
    expect(answer).toMatchObject({ list: [1, {}], end: Infinity, none: undefined })
    expect(answer.url).toEqual(value.url)
    expect(Buffer.from((answer.list[1] as { bytes: Uint8Array }).bytes)).toEqual(Buffer.from([1, 2]))
  })

  test('rejects with the fault of the other end, its details and cause', async () => {
    const cause = Object.assign(new Error('deep'), { code: 'ECONNRESET' })
    const fault = new Fault('upstream-status', { url: 'https://a.example', status: 503 }, { cause })
    const { near } = createLine({}, { fail: () => Promise.reject(fault), break: () => Promise.reject(new TypeError('odd')) })
    const error = await near.call('fail', []).catch((error) => error as Fault)
    expect(error).toBeInstanceOf(Fault)
    expect(error).toMatchObject({ code: 'upstream-status', details: fault.details, message: fault.message })
    expect((error as Fault).cause).toMatchObject({ message: 'deep', code: 'ECONNRESET', stack: cause.stack })
    await expect(near.call('break', [])).rejects.toMatchObject({ code: 'internal', details: { what: 'break' } })
    await expect(near.call('toString', [])).rejects.toMatchObject({ code: 'internal' })
  })

  test('says many things of one turn as one message, in their order', async () => {
    const heard: unknown[] = []
    const { near, sent } = createLine({}, { hear: ([one]) => void heard.push(one), end: () => heard.length })
    for (let at = 0; at < 100; at++) near.tell('hear', at)
    expect(await near.call('end', [])).toBe(100)
    expect(heard).toEqual(Array.from({ length: 100 }, (_, at) => at))
    expect(sent.near).toBe(1)
  })

  test('tells the other end that nobody waits, and still settles with what that opened meanwhile', async () => {
    let aborted = false
    const { near } = createLine(
      {},
      {
        open: async (_, signal) => {
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
          aborted = true
          return 7
        },
      },
    )
    const control = new AbortController()
    const answer = near.call('open', [], control.signal)
    setTimeout(() => control.abort(), 5)
    expect(await answer).toBe(7)
    expect(aborted).toBe(true)
    await expect(near.call('open', [], control.signal)).rejects.toBeDefined()
  })

  test('tells news before whatever else is said, and by itself when asked to look', async () => {
    let version = 1
    let told = 0
    const heard: unknown[] = []
    const news: News = () => {
      if (told === version) return undefined
      told = version
      return ['news', version]
    }
    const { near, far } = createLine(
      { news: ([one]) => void heard.push(`news ${one}`), hear: ([one]) => void heard.push(one) },
      { nothing: () => {} },
      news,
    )
    far.tell('hear', 'a')
    await near.call('nothing', [])
    version = 2
    far.touch()
    far.touch()
    await near.call('nothing', [])
    expect(heard).toEqual(['news 1', 'a', 'news 2'])
  })

  test('is not broken by what is told and cannot be taken, and somebody hears of that', async () => {
    const { near, failed } = createLine({}, { hear: () => Promise.reject(new TypeError('odd')), echo: ([one]) => one })
    near.tell('hear')
    near.tell('nothing of that name')
    expect(await near.call('echo', [1])).toBe(1)
    expect(new Set(failed.map((error) => (error as Error).name))).toEqual(new Set(['TypeError', 'Fault']))
  })

  test('is not broken by what is no data: only who said it, or waits for it, hears of that', async () => {
    const odd = { work: () => {} }
    const { near, failed } = createLine({}, { echo: ([one]) => one, odd: () => odd })
    const answers = await Promise.allSettled([
      near.call('echo', [1]),
      near.call('echo', [odd]),
      near.call('odd', []),
      Promise.resolve(near.tell('echo', odd)),
      near.call('echo', [2]),
    ])
    expect(answers.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Fault).code))).toEqual([
      1,
      'internal',
      'internal',
      undefined,
      2,
    ])
    expect(failed).toHaveLength(2)
  })

  test('does nothing any more for an end that is gone, though it is heard of late', async () => {
    const heard: unknown[] = []
    const { near, far } = createLine({}, { hear: ([one]) => void heard.push(one), ask: () => heard.push('asked') })
    near.tell('hear', 1)
    const answer = near.call('ask', []).catch((error) => error as Fault)
    far.close('the near one ended')
    await new Promise((go) => setTimeout(go, 10))
    near.close('it ended')
    await answer
    expect(heard).toEqual([])
  })

  test('whose other end is gone lets nobody wait', async () => {
    let aborted = false
    const { near, far } = createLine(
      {},
      {
        wait: (_, signal) =>
          new Promise(() =>
            signal.addEventListener('abort', () => {
              aborted = true
            }),
          ),
      },
    )
    const answer = near.call('wait', [])
    await new Promise((go) => setTimeout(go, 10))
    near.close('it ended')
    far.close('it ended')
    await expect(answer).rejects.toMatchObject({ code: 'internal', details: { what: 'it ended' } })
    await expect(near.call('wait', [])).rejects.toMatchObject({ code: 'internal' })
    expect(aborted).toBe(true)
  })
})
