import { Socket } from 'node:net'

/** Every connection that this process tries to make, from now until it is disposed. */
export interface Dials extends Disposable {
  /** `address:port`, in the order of trying; sockets of the file system are left out. */
  readonly tried: readonly string[]
}

/** TLS sockets are sockets too, and the attempt is told before it is made: an address where nobody answers is seen as well. */
export function watchDials(): Dials {
  const tried: string[] = []
  const { connect } = Socket.prototype
  const watching = function (this: Socket, ...args: unknown[]) {
    this.on('connectionAttempt', (address: string, port: number) => {
      if (port !== undefined) tried.push(`${address}:${port}`)
    })
    return Reflect.apply(connect, this, args)
  }
  Socket.prototype.connect = watching as typeof connect
  return {
    tried,
    [Symbol.dispose]() {
      Socket.prototype.connect = connect
    },
  }
}
