import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { until } from './disk.ts'
import { deadPort } from './ports.ts'
import { tempFolder } from './temp-folder.ts'

/** A Redis that keeps nothing, on loopback, gone when disposed. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string
}

export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

export async function startRedis(): Promise<RedisServer> {
  const folder = await tempFolder()
  const port = await deadPort()
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder.path]
  const child = spawn('redis-server', options, { stdio: 'ignore' })
  const ended = once(child, 'exit')
  await until(() => answers(port), 'Redis to answer')
  return {
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await folder[Symbol.asyncDispose]()
    },
  }
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => {
    socket.destroy()
    resolve(true)
  })
  socket.once('error', () => resolve(false))
  return promise
}
