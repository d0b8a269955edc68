import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { now } from '../now.ts'
import { serverEnvironment } from '../servers/server.ts'
import type { Tools } from '../servers/tools.ts'

const run = promisify(execFile)

export interface RequestLoad {
  readonly port: number
  readonly path: string
  readonly accept: string
  readonly connections: number
  readonly seconds: number
  readonly tools: Tools
  /** The processor that the client keeps to, with wrk. */
  readonly processor?: number
}

/** Small GETs over kept connections, each asking again as soon as it is answered. @throws when any answer is not a 200 */
export async function requestsPerSecond(load: RequestLoad): Promise<number> {
  return load.tools.wrk ? withWrk(load) : withSockets(load)
}

async function withWrk({ port, path, accept, connections, seconds, processor }: RequestLoad): Promise<number> {
  const pinned = processor === undefined ? [] : ['taskset', '-c', String(processor)]
  const [program = '', ...args] = [
    ...pinned,
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-H',
    `Accept: ${accept}`,
    `http://127.0.0.1:${port}${path}`,
  ]
  const { stdout } = await run(program, args, { env: serverEnvironment(), timeout: (seconds + 30) * 1000 })
  const speed = Number(/Requests\/sec: +([\d.]+)/.exec(stdout)?.[1])
  if (!Number.isFinite(speed) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk on port ${port}:\n${stdout}`)
  return speed
}

/** Where wrk is not installed: slower than it, so a fast server looks less fast, and ratios are nearer to one. */
async function withSockets({ port, path, accept, connections, seconds }: RequestLoad): Promise<number> {
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: ${accept}\r\n\r\n`
  const startedAt = now()
  const endAt = startedAt + seconds * 1000
  const answered = await Promise.all(Array.from({ length: connections }, () => askAgainAndAgain(port, request, endAt)))
  return (answered.reduce((sum, count) => sum + count, 0) * 1000) / (now() - startedAt)
}

function askAgainAndAgain(port: number, request: string, endAt: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let count = 0
    let answer = '' // as far as it has come
    const socket = connect({ port, host: '127.0.0.1', signal: AbortSignal.timeout(Math.ceil(endAt - now()) + 30_000) })
    socket.setEncoding('latin1').setNoDelay(true)
    socket.on('data', (text) => {
      answer += text
      const head = answer.indexOf('\r\n\r\n')
      if (head < 0 || answer.length < head + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(answer)?.[1])) return
      if (!answer.startsWith('HTTP/1.1 200 ')) return void socket.destroy(new Error(`answered ${answer.slice(0, 40)}`))
      count++
      answer = ''
      if (now() < endAt) socket.write(request)
      else socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => (now() < endAt ? reject(new Error('closed early')) : resolve(count)))
    socket.write(request)
  })
}
