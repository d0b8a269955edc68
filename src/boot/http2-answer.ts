import { constants, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2'

/** As much of Node's class as is used here. Its types have fields where it has accessors, and some that it has not. */
interface Bare {
  readonly stream: ServerHttp2Stream
  readonly writableEnded: boolean
  writeHead(status: number, fields: readonly string[] | object): this
  emit(event: string | symbol, ...said: unknown[]): boolean
}
const Bare = Http2ServerResponse as unknown as new (stream: ServerHttp2Stream, options?: object) => Bare

/**
 * Node's answer for HTTP/2, made to keep what an answer over HTTP/1.1 promises. Its own would end a stream that is cut as if
 * it were whole, take a client that left for one that was served, and never tell that the client of a HEAD left.
 */
export class Http2Answer extends Bare {
  #isOver = false

  constructor(stream: ServerHttp2Stream, options?: object) {
    super(stream, options)
    stream.once('close', () => this.emit('close')) // after Node's own listeners, which tell or do not
  }

  get destroyed(): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  get writableFinished(): boolean {
    return this.writableEnded && this.stream.writableFinished && this.stream.rstCode === constants.NGHTTP2_NO_ERROR
  }

  /** `Connection: close` is said by letting the connection end after the streams that are open. @see RFC 9113 §8.2.2 */
  override writeHead(status: number, fields: readonly string[] | object = {}): this {
    const at = Array.isArray(fields) ? fields.indexOf('Connection') : -1
    if (!Array.isArray(fields) || at < 0) return super.writeHead(status, fields)
    this.stream.session?.close()
    return super.writeHead(status, fields.toSpliced(at, 2))
  }

  /** Ends the stream with an error, so that nobody can take what was sent for all there is. */
  destroy(error?: Error): this {
    if (!this.stream.destroyed) this.stream.destroy(error ?? new Error('the answer was cut'))
    return this
  }

  override emit(event: string | symbol, ...said: unknown[]): boolean {
    if (event === 'close' && this.#isOver) return false
    this.#isOver ||= event === 'close'
    return super.emit(event, ...said)
  }
}
