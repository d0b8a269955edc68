import { digestOfBytes, KiB, MiB } from '../kit/blobs.ts'
import { blobsOn } from '../kit/disk.ts'
import type { HouseSettings } from '../kit/settings.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab } from '../kit/world.ts'
import { type Audit, audit } from './audit.ts'
import type { Contents } from './contents.ts'
import { gatherCrowd } from './crowd.ts'
import { type History, readHistory } from './history.ts'
import { strike } from './mishaps.ts'
import { openPlaces, type Places } from './places.ts'
import { createProblems } from './problems.ts'
import { type ProcessState, stateOf } from './process-state.ts'
import type { Scale } from './scale.ts'
import { createServer } from './server.ts'
import { createTally, type Tally } from './tally.ts'
import { createVolume } from './volume.ts'

export interface Chaos {
  readonly scale: Scale
  readonly seed: number
  readonly workers?: number
  /** Told what happens, as it does. */
  readonly say?: (line: string) => void
}

/** What was done, and what came of it. */
export interface Outcome {
  readonly problems: readonly string[] // none where all is well
  readonly skipped: readonly string[]
  readonly faults: Tally
  readonly outcomes: Tally // of requests
  readonly bytes: Tally // of bodies, by how they ended
  readonly lives: number
  readonly history: History
  readonly audit: Audit
  readonly first: ProcessState // of a server that did nothing yet
  readonly upstreamBytes: number
  readonly bound: number // what clients got, as without a cache, and all that there is once
  readonly output: string // of the server, all its lives
}

// A heap, the memory of small blobs, and what one client at a time may take of buffers that are kept for the next.
const memoryGrowth = { least: 192 * MiB, ofEach: MiB }
const socketsKept = 4 // of the questions that this suite itself asks

/** @throws Error where the suite itself does not come so far */
export async function runChaos({ scale, seed, workers, say = () => {} }: Chaos): Promise<Outcome> {
  const [faults, outcomes, bytes, problems] = [createTally(), createTally(), createTally(), createProblems()]
  await using volume = await createVolume(scale.disk)
  await using folder = await tempFolder()
  await using places = await openPlaces(scale, seed, faults)
  const { items } = places.contents
  const settings = settingsOf(places, scale, volume.store)
  await using server = createServer({ settings, folder: folder.path, seed, workers, faults, problems, relieve: volume.release })
  await server.start()
  const first = await stateOf(server.house!.pid, volume.store)

  const crowd = gatherCrowd({ seed, scale, items, server, problems, outcomes, bytes })
  await strike({ seed, scale, server, places, volume, faults, outcomes, workers, say }).finally(crowd.leave)
  const upstreamBytes = places.bytesSent
  say('all is well again')
  const looked = await audit({ server, places, store: volume.store, problems })
  const history = await readHistory(server.toldFile, sizes(places.contents), { faults, problems })
  const held = new Set(await blobsOn(volume.store))
  for (const digest of history.standing) if (!held.has(digest)) problems.add('a blob was lost', digest)
  compare(first, looked.state, scale, problems.add)
  const bound = bytes.total + bytesOf(places.contents)
  if (upstreamBytes > bound) problems.add('more was fetched than clients can have wanted', `${upstreamBytes} bytes, ${bound}`)
  for (const line of linesOf(server.output())) problems.add('an error that was not foreseen', line)
  return {
    problems: problems.lines,
    skipped: volume.unfilled === undefined ? [] : [`no disk was filled: ${volume.unfilled}`],
    faults,
    outcomes,
    bytes,
    lives: server.life,
    history,
    audit: looked,
    first,
    upstreamBytes,
    bound,
    output: server.output(),
  }
}

function settingsOf({ registry, mirror, library, files }: Places, { quota }: Scale, store: string): HouseSettings {
  const freshFor = '1s'
  return {
    upstreams: {
      [lab]: { url: registry.url, freshFor, maxConnections: 32, mirrors: [{ url: mirror.url }] },
      lab: { kind: 'library', url: library.url, freshFor },
      data: { kind: 'files', url: files.base, freshFor, mirrors: [{ kind: 'files', url: files.copy }] },
    },
    defaults: { oci: lab, library: 'lab' },
    outbound: {
      allow: [registry.cdn.host, library.files.host, files.files.host],
      connectTimeout: '1s',
      headersTimeout: '1s',
      idleTimeout: '1s',
    },
    storePath: store,
    more: {
      store: { path: store, quota: `${quota}B`, memory: `${8 * MiB}B`, scrub: { rate: `${256 * KiB}B`, every: '1h' } },
      transfer: { linger: '1s' },
      catalog: { negativeFor: '1s', answerDeadline: '500ms' },
      log: { level: 'info', access: false },
    },
  }
}

function sizes({ items }: Contents): (digest: string) => number {
  const sizes = new Map<string, number>(items.flatMap(({ versions }) => versions).map((one) => [digestOfBytes(one), one.length]))
  return (digest) => sizes.get(digest) ?? 0
}

/** A quiet server after all that has not much more than one that did nothing. */
function compare(
  first: ProcessState,
  last: ProcessState | undefined,
  { readers }: Scale,
  complain: (kind: string, what: string) => void,
): void {
  if (!last) complain('no server was left', 'it ended, and did not start again')
  if (!last) return
  for (const file of last.files) if (!first.files.includes(file)) complain('a file is left open', file)
  if (last.sockets > first.sockets + socketsKept) complain('sockets are left open', `${last.sockets}, ${first.sockets} at first`)
  const most = first.rss + last.processes * memoryGrowth.least + readers * memoryGrowth.ofEach
  if (last.rss > most) complain('memory is not given back', `${last.rss} bytes, ${first.rss} at first`)
}

/** Once all that there is: of what a client wants a part of, or leaves, all may be fetched. */
function bytesOf({ items }: Contents): number {
  return items.flatMap(({ versions }) => versions).reduce((sum, { length }) => sum + length, 0)
}

const mistakes = /"event":"request\.failed"|"code":"internal"|Unhandled|TypeError|RangeError/
const killed = 'ended (SIGKILL)' // what was asked of a worker that we killed

/** Of the log, what only a mistake of ours explains. */
function linesOf(output: string): readonly string[] {
  return output
    .split('\n')
    .filter((line) => mistakes.test(line) && !line.includes(killed))
    .map((line) => line.slice(0, 600))
}
