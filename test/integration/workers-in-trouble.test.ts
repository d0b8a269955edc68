import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { childrenOf, isRunning, openOf } from '../kit/children.ts'
import { startCommand } from '../kit/command.ts'
import { until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { notifyMissing, openNotifySocket } from '../kit/notify-socket.ts'
import { deadPort } from '../kit/ports.ts'
import { writeSettings } from '../kit/settings.ts'
import { createWorkersWorld, type WorkersWorld, workerCount, workerOf } from '../kit/workers-world.ts'
import { urlsOf } from '../kit/world.ts'

expectNoLeaks()

let world: WorkersWorld
beforeEach(async () => {
  world = await createWorkersWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const requestsOf = () => world.house.metric('edge_requests_total')

const statusOf = (answer: PromiseSettledResult<{ readonly status: number }>) =>
  answer.status === 'fulfilled' ? answer.value.status : undefined

/** Lets it open so many files, and no more. */
const limitFiles = (pid: number, most: number) =>
  promisify(execFile)('prlimit', ['--pid', String(pid), `--nofile=${most}:${most}`])

describe('a process that hangs', () => {
  test('keeps nobody from what is counted, and what it counted stays when it is gone', async () => {
    const { url } = await world.start()
    const before = await requestsOf()
    const [first] = await world.pids()
    process.kill(first!, 'SIGSTOP')
    const asking = Array.from({ length: 8 }, () => ask(`${url}/v2/`).catch(() => undefined))
    const telling = Array.from({ length: 8 }, () => requestsOf()) // some of them come to the one that hangs
    expect(await Promise.any(telling)).toBeGreaterThanOrEqual(before)
    expect(isRunning(first!)).toBe(true)
    process.kill(first!, 'SIGKILL')
    await Promise.allSettled([...asking, ...telling])
    await world.logged('worker.died')
    expect(await requestsOf()).toBeGreaterThanOrEqual(before)
  })

  test('is ended, and another one takes its place', async () => {
    const { url } = await world.start()
    const [first] = await world.pids()
    process.kill(first!, 'SIGSTOP')
    const asked = await Promise.allSettled(Array.from({ length: 4 }, () => ask(`${url}/v2/`)))
    expect(asked.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    await until(() => !isRunning(first!), 'it is gone')
    expect(world.house.output()).toContain('"event":"worker.hangs"')
    await until(async () => (await world.answering()) === workerCount, 'both answer')
  })

  const missing = notifyMissing()
  test.skipIf(missing)(`is no reason to end the others${missing ? ` (${missing})` : ''}`, async () => {
    await using socket = await openNotifySocket()
    const signs = () => socket.messages.filter((message) => message === 'WATCHDOG=1').length
    const house = await world.start({}, { env: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '2000000' } })
    await until(() => signs() >= 1, 'a sign of life')
    const [first] = await world.pids()
    process.kill(first!, 'SIGSTOP')
    const before = signs()
    await until(() => signs() >= before + 3, 'more of them')
    expect(isRunning(house.pid)).toBe(true)
    expect(house.output()).not.toContain('systemd.watchdog')
    if (isRunning(first!)) process.kill(first!, 'SIGCONT')
  })

  test('keeps the others neither from new settings nor from stopping', async () => {
    await world.start()
    const [first] = await world.pids()
    process.kill(first!, 'SIGSTOP')
    await world.house.reload(world.settings({ access: { anonymous: 'none' } }))
    expect(await world.house.kill('SIGTERM')).toBe(0)
    expect(isRunning(first!)).toBe(false)
  })
})

describe('a process that starts', () => {
  test('and is told to stop, with all of them, is no mistake', async () => {
    const written = await writeSettings(world.settings(), await deadPort())
    const others = await childrenOf(process.pid)
    const { ended } = startCommand(['serve', '--config', written.file, '--workers', String(workerCount)])
    const server = (await childrenOf(process.pid)).find((pid) => !others.includes(pid))!
    await until(async () => (await childrenOf(server)).length > 0, 'it starts others')
    for (const pid of [server, ...(await childrenOf(server))]) process.kill(pid, 'SIGINT')
    const { code, stderr } = await ended
    await written.remove()
    expect([code, stderr]).toEqual([0, ''])
  })

  test('while there are new settings has these when it serves', async () => {
    const { url } = await world.start()
    const before = await world.pids()
    await world.killOne()
    let young: number | undefined
    const isThere = async () => {
      young = (await world.pids()).find((pid) => !before.includes(pid))
      return young !== undefined
    }
    await until(isThere, 'another one starts')
    process.kill(young!, 'SIGSTOP')
    await world.house.reload(world.settings({ access: { anonymous: 'none' } }))
    await world.logged('reload')
    process.kill(young!, 'SIGCONT')
    const seen = new Set<string | undefined>()
    const haveAnswered = async () => {
      const replies = await Promise.all(Array.from({ length: 2 * workerCount }, () => ask(`${url}/v2/`)))
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]))
      for (const reply of replies) seen.add(workerOf(reply))
      return seen.size === workerCount
    }
    await until(haveAnswered, 'both answer')
  })

  test('needs nothing of what only earlier settings name', async () => {
    const [first, second] = [await world.users('first'), await world.users('second')]
    await world.start({ access: { anonymous: 'pull', users: first } })
    await world.house.reload(world.settings({ access: { anonymous: 'pull', users: second } }))
    await world.logged('reload')
    await rm(first.file)
    const killed = await world.killOne()
    await until(async () => (await world.answering()) === workerCount, 'both answer')
    expect(await world.pids()).not.toContain(killed)
  })
})

describe('a process with no room', () => {
  test('for what new settings name is replaced by one that has them', async () => {
    const { url } = await world.start()
    const [first] = await world.pids()
    await limitFiles(first!, 3)
    await world.house.reload(world.settings({ access: { anonymous: 'none', users: await world.users('users') } }))
    await until(() => !isRunning(first!), 'it is gone')
    expect(world.house.output()).toContain('"event":"worker.reload"')
    await until(async () => (await world.answering()) === workerCount, 'both answer')
    const replies = await Promise.all(Array.from({ length: 8 }, () => ask(`${url}/v2/`)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]))
  })

  test('for another connection leaves none open when their clients are gone, and serves the next', async () => {
    const { url, pid } = await world.start()
    const [first] = await world.pids()
    const sockets = async () => (await openOf(pid)).filter((name) => name.startsWith('socket:')).length
    const before = await sockets()
    const most = (await openOf(first!)).length + 10
    await limitFiles(first!, most)
    const { hostname, port } = new URL(url)
    const clients = Array.from({ length: 100 }, () => connect(Number(port), hostname).on('error', () => {}))
    await until(async () => (await openOf(first!)).length >= most, 'it is full')
    for (const client of clients) client.destroy()
    await until(async () => (await sockets()) <= before + 1, 'none is left')
    const statuses = async () => (await Promise.allSettled(Array.from({ length: 8 }, () => ask(`${url}/v2/`)))).map(statusOf)
    await until(async () => (await statuses()).every((status) => status === 200), 'both serve')
    expect(await world.pids()).toContain(first)
    await until(async () => (await sockets()) <= before + 1, 'none is left of those either')
  })
})

describe('a process that is killed', () => {
  test('takes its own connections with it, and neither the fill nor those of the other; another one takes its place', async () => {
    const { url } = await world.start()
    const layer = blob(12 * MiB, 'killed')
    world.upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(8 * MiB)
    const readers = await Promise.all(Array.from({ length: 12 }, () => open(at)))
    await Promise.all(readers.map((reader) => reader.atLeast(7 * MiB)))
    const killed = await world.killOne()
    gate.open()
    const answers = await Promise.all(readers.map((reader) => reader.rest()))
    const whole = answers.filter(({ end, sha256 }) => end === 'clean' && sha256 === layer.digest)
    const cut = answers.filter(({ end }) => end === 'cut')
    expect(whole.length + cut.length).toBe(12)
    expect(Math.min(whole.length, cut.length)).toBeGreaterThanOrEqual(3)
    for (const { body } of cut) {
      const rest = await ask(at, { headers: { range: `bytes=${body.length}-` } })
      expect(Buffer.concat([body, rest.body]).equals(layer.bytes)).toBe(true)
    }
    expect([world.upstream.bodies(layer.digest), world.upstream.bytesSent(layer.digest)]).toEqual([1, layer.bytes.length])
    await until(async () => (await world.pids()).length === workerCount, 'there are as many as before')
    expect(await world.pids()).not.toContain(killed)
    await until(
      async () => new Set((await Promise.all(Array.from({ length: 6 }, () => ask(at)))).map(workerOf)).size === workerCount,
      'both answer',
    )
    expect(world.house.output()).toContain('"event":"worker.died"')
  })

  test('moves no client of the others, where a client may have only so much', async () => {
    const { url } = await world.start({ limits: { requestsPerClient: 3 } }, { args: ['--workers', '3'] })
    const clients = Array.from({ length: 12 }, (_, at) => `127.0.0.${at + 1}`)
    const whoAnswers = async () => Promise.all(clients.map(async (from) => workerOf(await ask(`${url}/v2/`, { from }))))
    const before = await whoAnswers()
    expect(new Set(before).size).toBe(3)
    await world.killOne()
    await world.logged('worker.died')
    const after = await whoAnswers()
    const lost = before.find((worker) => !after.includes(worker))
    expect(lost).toBeDefined()
    const kept = before.map((worker) => (worker === lost ? undefined : worker))
    expect(after.map((worker, at) => kept[at] && worker)).toEqual(kept)
  })

  test('leaves the connections that had not reached it yet to the other', async () => {
    const { url, pid } = await world.start()
    const workers = await childrenOf(pid)
    for (const worker of workers) process.kill(worker, 'SIGSTOP')
    const before = (await openOf(pid)).length
    const asking = Promise.all(Array.from({ length: 20 }, () => ask(`${url}/v2/`).catch(() => undefined)))
    await until(async () => (await openOf(pid)).length >= before + 10, 'they are being accepted')
    process.kill(workers[0]!, 'SIGKILL')
    process.kill(workers[1]!, 'SIGCONT')
    const replies = (await asking).filter((reply) => reply !== undefined)
    expect(replies.length).toBeGreaterThanOrEqual(19) // one may have been on its way
    for (const { status } of replies) expect(status).toBe(200)
  })

  test('when it is the one that has the house, the others end too, and the next server goes on where it was', async () => {
    const { url } = await world.start()
    const layer = blob(40 * MiB, 'master')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
    gate.release(32 * MiB)
    const reader = await open(urlsOf(url).blob('lab/tool', layer.digest))
    await reader.atLeast(31 * MiB)
    const workers = await world.pids()
    await world.house.kill('SIGKILL')
    const { end, body } = await reader.rest()
    expect([end, body.equals(layer.bytes.subarray(0, body.length))]).toEqual(['cut', true])
    await until(() => workers.every((pid) => !isRunning(pid)), 'all are gone')
    const next = await world.start()
    expect(await ask(urlsOf(next.url).blob('lab/tool', layer.digest))).toMatchObject({
      status: 200,
      sha256: layer.digest,
      end: 'clean',
    })
    await untilHeld(world.folder.path, layer.digest)
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(1.25 * layer.bytes.length)
    expect(await wrongBlobsOn(world.folder.path)).toEqual([])
  })
})
