import { MiB } from '../kit/blobs.ts'
import type { Outcome } from './run.ts'
import type { Tally } from './tally.ts'

/** The totals, for people. */
export function printOutcome(outcome: Outcome): string {
  const { problems, skipped, faults, outcomes, bytes, lives, history, audit, first, upstreamBytes, bound } = outcome
  const wrong = (start: string) => problems.filter((line) => line.startsWith(start)).length
  const { state } = audit
  return [
    'what went wrong on purpose:',
    ...table(faults),
    ...skipped.map((line) => `  skipped: ${line}`),
    'requests:',
    ...table(outcomes),
    `  answers that were checked to their end: ${outcomes.of('right')}, ${inMiB(bytes.of('right'))}; with wrong bytes: ${outcomes.of('wrong')}`,
    `lives of the server: ${lives}`,
    `blobs: ${history.committed} committed (${inMiB(history.committedBytes)}), ${history.evicted} evicted, ${history.quarantined} put aside, lost: ${wrong('a blob was lost')}`,
    `store: ${audit.rehashed} blobs hashed again (${inMiB(audit.rehashedBytes)}), wrong: ${wrong('a stored blob')}; ${audit.served} served with no upstream; spools left of what is held: ${wrong('a spool')}, of versions that are over: ${audit.spools}`,
    `pulled once more when all was well: ${audit.pulledAgain}`,
    `upstreams sent ${inMiB(upstreamBytes)}, clients got ${inMiB(bytes.total)}: ${((100 * upstreamBytes) / bytes.total).toFixed(0)} %; bound: ${inMiB(bound)} (what clients got, as without a cache, and all that there is once, as some want parts or leave)`,
    ...(state
      ? [
          `the last life, quiet: ${inMiB(state.rss)} of memory (${inMiB(first.rss)} when it began), ${state.sockets} sockets (${first.sockets}), ` +
            `${state.files.length} files of the store (${first.files.length}), ${state.blobs} blobs kept open`,
        ]
      : []),
    problems.length === 0 ? 'all is well' : ['WRONG:', ...problems.map((line) => `  ${line}`)].join('\n'),
  ].join('\n')
}

function table(tally: Tally): readonly string[] {
  return tally.entries.map(([name, count]) => `  ${String(count).padStart(8)}  ${name}`)
}

function inMiB(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`
}
