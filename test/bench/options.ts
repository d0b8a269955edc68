import { parseArgs } from 'node:util'

/** How much is measured. The short one shows the direction within some minutes; only the full one holds against the targets. */
export interface Scale {
  readonly runs: number // rounds of each figure; a figure is their median
  readonly blobBytes: number
  readonly mirroredBytes: number // of a blob from several places, or in known pieces
  readonly pacedBytesPerSecond: number // of the upstream's line, where it is paced
  readonly herd: number // clients that ask for one blob at once
  readonly sifBytes: number // of an image that a real client pulls from a library
  readonly librarySifBytes: number // of one that a herd pulls
  readonly requestSeconds: number // of one measurement of requests a second
  readonly readers: number // slow ones, while memory is watched
  readonly readBytes: number // of the blob that they read
  readonly watchSeconds: number
  readonly heldBlobs: number // in the store of a server that is started
  readonly quietWithinMs: number // wait before a measurement for others to be done
}

const MiB = 1024 * 1024

const full: Scale = {
  runs: 5,
  blobBytes: 512 * MiB,
  mirroredBytes: 256 * MiB,
  pacedBytesPerSecond: 60e6,
  herd: 64,
  sifBytes: 2048 * MiB,
  librarySifBytes: 128 * MiB,
  requestSeconds: 5,
  readers: 500,
  readBytes: 8 * 1024 * MiB,
  watchSeconds: 180,
  heldBlobs: 20_000,
  quietWithinMs: 5_000,
}
const short: Scale = {
  ...full,
  runs: 2,
  blobBytes: 96 * MiB,
  mirroredBytes: 64 * MiB,
  sifBytes: 256 * MiB,
  librarySifBytes: 64 * MiB,
  requestSeconds: 1,
  readBytes: 2 * 1024 * MiB,
  watchSeconds: 15,
  quietWithinMs: 200,
}

export interface Options {
  readonly scale: Scale
  readonly isShort: boolean
  readonly only: readonly string[] // names of figures; all when empty
  readonly json: string
  readonly profile: string | undefined // folder for processor profiles of Forebay
}

export const usage = `npm run bench -- [--short] [--only NAME]… [--runs N] [--watch SECONDS] [--json FILE] [--profile FOLDER]`

/** @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[], names: readonly string[], now: Date): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      short: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string' },
      watch: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  const unknown = values.only.filter((name) => !names.includes(name))
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(', ')}: the figures are ${names.join(', ')}`)
  const base = values.short ? short : full
  return {
    scale: {
      ...base,
      runs: count('--runs', values.runs, 100) ?? base.runs,
      watchSeconds: count('--watch', values.watch, 3600) ?? base.watchSeconds,
    },
    isShort: values.short,
    only: values.only,
    json: values.json ?? `bench-results/${now.toISOString().slice(0, 19).replaceAll(':', '')}.json`,
    profile: values.profile,
  }
}

function count(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${name} ${text}: expected 1 to ${most}`)
  return value
}
