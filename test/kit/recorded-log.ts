import type { Logger, LogLevel } from '../../src/system/log.ts'

export interface LogLine {
  readonly level: LogLevel
  readonly event: string
  readonly fields: object | undefined
}

/** Keeps what is logged, for a test to look at; prints nothing. */
export interface RecordedLog extends Logger {
  readonly lines: readonly LogLine[]
  readonly events: readonly string[]
}

export function createRecordedLog(): RecordedLog {
  const lines: LogLine[] = []
  const at = (level: LogLevel) => (event: string, fields?: object) => void lines.push({ level, event, fields })
  return {
    lines,
    get events() {
      return lines.map(({ event }) => event)
    },
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  }
}
