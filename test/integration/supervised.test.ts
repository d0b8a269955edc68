import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { until } from '../kit/disk.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { notifyMissing, openNotifySocket } from '../kit/notify-socket.ts'
import { lab } from '../kit/world.ts'

expectNoLeaks()

const upstreams = { [lab]: { url: 'http://127.0.0.1:9' } }
const missing = notifyMissing()

describe('under systemd', () => {
  test.skipIf(missing)(`a server tells when it is ready, reloads, lives and stops${missing ? ` (${missing})` : ''}`, async () => {
    await using socket = await openNotifySocket()
    const told = (line: string) => socket.messages.filter((message) => message.split('\n').includes(line)).length
    const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '400000' }
    await using server = await startHouseProcess({ upstreams, env })
    await until(() => told('READY=1') === 1, 'READY=1')
    expect(socket.messages[0]).toBe(`READY=1\nSTATUS=serving at ${server.url}`)
    await until(() => told('WATCHDOG=1') >= 3, 'signs of life')
    const before = process.hrtime.bigint() / 1000n
    await server.reload({ upstreams })
    await until(() => told('READY=1') === 2, 'READY=1 again')
    const reloading = socket.messages.find((message) => message.startsWith('RELOADING=1'))
    const [, at = '0'] = /MONOTONIC_USEC=(\d+)$/.exec(reloading ?? '') ?? []
    expect(BigInt(at), 'by the same clock as systemd').toBeGreaterThanOrEqual(before)
    expect(BigInt(at)).toBeLessThan(process.hrtime.bigint() / 1000n)
    expect(await server.kill('SIGTERM')).toBe(0)
    await until(() => told('STOPPING=1') > 0, 'STOPPING=1') // what listens hears of it in its own time
    const lines = socket.messages.map((message) => message.split('\n')[0]).filter((line) => line !== 'WATCHDOG=1')
    expect(lines).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1'])
  })

  test.skipIf(missing)('a wrong file is no reason to be taken for one that reloads for ever', async () => {
    await using socket = await openNotifySocket()
    await using server = await startHouseProcess({ upstreams, env: { NOTIFY_SOCKET: socket.path } })
    await server.reload('upstreams: 3')
    await until(() => socket.messages.filter((message) => message.startsWith('READY=1')).length === 2, 'READY=1 again')
    expect(socket.messages.some((message) => message.startsWith('WATCHDOG'))).toBe(false)
  })

  test('without systemd-notify it serves all the same, and says so', async () => {
    const env = { NOTIFY_SOCKET: '/nowhere/notify', PATH: '/nowhere' }
    await using server = await startHouseProcess({ upstreams, env })
    await until(() => server.output().includes('there is no systemd-notify'), 'a line in the log')
    expect(await ask(`${server.url}/healthz`)).toMatchObject({ status: 200 })
  })
})
