import type { Scale } from '../options.ts'
import type { Row } from '../report/row.ts'
import type { ForebayOptions } from '../servers/forebay.ts'
import type { Tools } from '../servers/tools.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** What a figure is measured with. */
export interface Bench {
  readonly folder: string // of this figure alone, empty at first and removed after it
  readonly upstream: Upstream
  readonly tools: Tools
  readonly scale: Scale
  readonly forebay: ForebayOptions
  /** A line about how it goes. */
  say(line: string): void
}

export interface Figure {
  readonly name: string
  measure(bench: Bench): Promise<readonly Row[]>
}
