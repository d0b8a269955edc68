import { copyFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import { listenOn } from '../../kit/ports.ts'
import { caFile, serverCertificate } from '../../kit/tls.ts'
import { takeTurn } from './turn.ts'
import type { WorkDir } from './work-dir.ts'

/** TLS before a server, for clients that can be given no port. */
export interface TlsFront extends AsyncDisposable {
  readonly url: string
  /** Tells Go's clients of the authority of its certificate. */
  readonly env: Readonly<Record<string, string>>
}

/** On port 443 of loopback, once no other test is there; undefined where somebody else listens. */
export async function startTlsFront(work: WorkDir, origin: { readonly address: string }): Promise<TlsFront | undefined> {
  const sockets = new Set<Socket>()
  const server = createServer(serverCertificate(), (socket) => {
    const [host, port] = origin.address.split(':')
    const behind = connect(Number(port), host!)
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  const turn = await takeTurn('port 443')
  if (!(await listenOn(server, 443, '127.0.0.1'))) {
    await turn[Symbol.asyncDispose]()
    return undefined
  }
  await copyFile(caFile, work.file('ca.pem'))
  return {
    url: 'https://localhost',
    env: { SSL_CERT_FILE: work.file('ca.pem') },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
      await turn[Symbol.asyncDispose]()
    },
  }
}
