import { destination, pino } from 'pino'
import { Fault } from '../model/fault.ts'
import { isSecretName, redactText, redactUrl } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** One JSON line an event. The event is a station (`resolve`, `fill.start`, `send`), fields say what an operator asks next. */
export interface Logger {
  debug(event: string, fields?: object): void
  info(event: string, fields?: object): void
  warn(event: string, fields?: object): void
  error(event: string, fields?: object): void
}

export interface LogSink extends Logger {
  setLevel(level: LogLevel | 'silent'): void
  /** Writes out what is gathered. Call before the process ends. */
  flush(): void
}

const flushEveryMs = 200
const gatherBytes = 16 * 1024
const keptTogether = 4096 // bytes of one write

export interface LogOptions {
  readonly level: LogLevel | 'silent'
  readonly fd?: number | string // 1: standard output
  /** Other processes write to it too: a write is never more than is kept together. @see pipe(7), PIPE_BUF */
  readonly isShared?: boolean
}

/** Lines are gathered and written in batches, at the latest after 200 ms; errors at once. */
export function createLogger({ level, fd = 1, isShared = false }: LogOptions): LogSink {
  const [minLength, maxWrite] = isShared ? [keptTogether / 2, keptTogether] : [gatherBytes, 4 * gatherBytes]
  const sink = destination({ dest: fd, sync: true, minLength, maxWrite })
  const timer = setInterval(flush, flushEveryMs)
  timer.unref()
  const log = pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    sink,
  )

  /** Even nothing at all cannot be written where nobody listens any more. */
  function flush(): void {
    if (log.level !== 'silent') sink.flush()
  }

  return {
    debug: (event, fields) => log.isLevelEnabled('debug') && log.debug({ event, ...clean(fields) }),
    info: (event, fields) => log.isLevelEnabled('info') && log.info({ event, ...clean(fields) }),
    warn: (event, fields) => log.warn({ event, ...clean(fields) }),
    error(event, fields) {
      log.error({ event, ...clean(fields) })
      flush()
    },
    setLevel(next) {
      log.level = next
    },
    flush,
  }
}

function clean(fields: object | undefined): object | undefined {
  if (!fields) return undefined
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isSecretName(name) ? '[secret]' : cleanValue(value)]),
  )
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value)
  if (value instanceof URL) return redactUrl(value)
  if (value instanceof Error) return printError(value)
  if (Array.isArray(value)) return value.map(cleanValue)
  return value !== null && typeof value === 'object' ? clean(value) : value
}

function printError(error: Error): object {
  const cause = error.cause instanceof Error ? { cause: redactText(causeOf(error.cause)) } : {}
  if (error instanceof Fault) return { code: error.code, message: redactText(error.message), ...cause }
  return { message: redactText(error.message), stack: redactText(error.stack ?? ''), ...cause }
}

function causeOf(cause: Error): string {
  return 'code' in cause && typeof cause.code === 'string' ? `${cause.code}: ${cause.message}` : cause.message
}
