import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { tempFolder } from './temp-folder.ts'

/** The socket by which systemd hears of a service, for a test to listen on. */
export interface NotifySocket extends AsyncDisposable {
  readonly path: string
  /** What came so far, one message each. */
  readonly messages: readonly string[]
}

// Node has no such sockets itself.
const listener = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('"bound"', flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)
`

/** Why it cannot be had on this machine; undefined where it can. */
export function notifyMissing(): string | undefined {
  for (const words of [
    ['python3', '--version'],
    ['systemd-notify', '--version'],
  ] as const) {
    try {
      execFileSync(words[0], [words[1]], { stdio: 'ignore' })
    } catch {
      return `no ${words[0]} here`
    }
  }
  return undefined
}

export async function openNotifySocket(): Promise<NotifySocket> {
  const folder = await tempFolder()
  const path = join(folder.path, 'notify')
  const child = spawn('python3', ['-c', listener, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  const messages: string[] = []
  const lines = createInterface(child.stdout)
  await once(lines, 'line')
  lines.on('line', (line) => {
    const message = JSON.parse(line) as string
    if (!message.startsWith('BARRIER=')) messages.push(message)
  })
  return {
    path,
    messages,
    async [Symbol.asyncDispose]() {
      child.kill()
      await gone
      await folder[Symbol.asyncDispose]()
    },
  }
}
