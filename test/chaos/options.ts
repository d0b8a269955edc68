import { parseArgs } from 'node:util'
import { long, type Scale, short } from './scale.ts'

export interface Options {
  readonly seed: number
  readonly scale: Scale
  readonly workers: number | undefined
  readonly log: string | undefined
}

export const usage = `npm run chaos -- [--seed N] [--seconds S] [--readers N] [--workers N] [--short] [--log FILE]

Runs Forebay on loopback between upstreams that fail and clients that do not care, takes its disk, its clock and its life away
at times, and checks every byte. Ends with 0 where nothing was wrong.

  --seed N      the same mishaps again, in the same order; chance where not said
  --seconds S   for so long things go wrong (${long.seconds}); what is left is looked at afterwards
  --readers N   clients at the same time (${long.readers})
  --workers N   has the server run so many workers, of which some are killed too
  --short       the small form that is part of npm test
  --log FILE    what the server printed, all its lives
  --help        this`

/** Undefined where only help is wanted. @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seconds: { type: 'string' },
      readers: { type: 'string' },
      workers: { type: 'string' },
      short: { type: 'boolean', default: false },
      log: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const base = values.short ? short : long
  return {
    seed: count('--seed', values.seed, 0, 2 ** 32 - 1) ?? Math.floor(Math.random() * 1_000_000),
    scale: {
      ...base,
      seconds: count('--seconds', values.seconds, 1, 3600) ?? base.seconds,
      readers: count('--readers', values.readers, 1, 2000) ?? base.readers,
    },
    workers: count('--workers', values.workers, 1, 64),
    log: values.log,
  }
}

function count(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) throw new Error(`${name} ${text}: expected ${least} to ${most}`)
  return value
}
