import { createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** The HTTP proxy of a site: forwards absolute-form requests and tunnels CONNECT, to loopback only. */
export interface ForwardProxy extends AsyncDisposable {
  readonly url: string
  readonly host: string
  /** `GET http://…` and `CONNECT host:port`, as they came. */
  readonly asked: readonly string[]
  readonly credentials: readonly string[] // Proxy-Authorization fields
}

export async function createForwardProxy(): Promise<ForwardProxy> {
  const asked: string[] = []
  const credentials: string[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  }
  const note = (line: string, authorization: string | undefined) => {
    asked.push(line)
    if (authorization !== undefined) credentials.push(authorization)
  }
  const server = createServer((request, response) => {
    note(`${request.method} ${request.url}`, request.headers['proxy-authorization'])
    const forwarded = httpRequest(
      request.url ?? '',
      { method: request.method, headers: request.headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    forwarded.once('error', () => response.writeHead(502).end())
    request.pipe(forwarded)
  })
  server.on('connection', keep)
  server.on('connect', (request, client: Socket, head: Buffer) => {
    note(`CONNECT ${request.url}`, request.headers['proxy-authorization'])
    const { hostname, port } = new URL(`http://${request.url}`)
    const target = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(head)
      client.pipe(target).pipe(client)
    })
    keep(target)
    target.once('close', () => client.destroy())
    client.once('close', () => target.destroy())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    host,
    asked,
    credentials,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
