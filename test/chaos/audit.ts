import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { spoolStem } from '../../src/store/places.ts'
import { blobPath, blobsOn, isHeld, spoolsOn } from '../kit/disk.ts'
import type { Item } from './contents.ts'
import type { Places } from './places.ts'
import type { Problems } from './problems.ts'
import { type ProcessState, stateOf } from './process-state.ts'
import { type Read, read } from './read.ts'
import type { Server } from './server.ts'

export interface AuditDeps {
  readonly server: Server
  readonly places: Places
  readonly store: string
  readonly problems: Problems
}

/** What was looked at when all was well again. */
export interface Audit {
  readonly state: ProcessState | undefined
  readonly pulledAgain: number
  readonly rehashed: number
  readonly rehashedBytes: number
  readonly served: number // of what is held, with no upstream
  readonly spools: number // of versions that nobody asks for any more: they go first when room is needed
}

const quietWithinMs = 30_000
const wellWithinMs = 40_000
const patienceMs = 30_000
const atOnce = 8
const lingerMs = 1_000 // as the settings say

/** Looks at the server, its store and what it tells, once nothing is wrong any more. */
export async function audit(deps: AuditDeps): Promise<Audit> {
  const { server, places, store, problems } = deps
  await untilQuiet(deps)
  await hangUp(places)
  const state = server.house && (await stateOf(server.house.pid, store))
  const pulledAgain = await pullAll(deps)
  await untilQuiet(deps)
  await sleep(lingerMs)
  const spools = await spoolsOn(store)
  const code = await server.stop()
  if (code !== 0) problems.add('it did not end well when it was told to', `exit code ${code}`)
  const { rehashed, rehashedBytes } = await rehash(store, problems)
  for (const place of Object.values(places.each)) await place.refuse()
  const served = await serveAlone(deps)
  return { state, pulledAgain, rehashed, rehashedBytes, served, spools: spools.length }
}

/** What is kept open to upstreams for the next question is nobody's leak. */
async function hangUp({ each }: Places): Promise<void> {
  for (const place of Object.values(each)) {
    await place.refuse()
    await place.reopen()
  }
  await sleep(200)
}

async function untilQuiet({ server, problems }: AuditDeps): Promise<void> {
  for (const until = performance.now() + quietWithinMs; ; await sleep(100)) {
    const fills = await server.house?.metric('transfer_fills_running').catch((error) => `it does not answer: ${error}`)
    if (fills === 0) return
    if (performance.now() < until) continue
    problems.add('it is not quiet', `${fills} fills after ${quietWithinMs} ms`)
    return
  }
}

/** All of it, as it is now: whatever failed before is forgotten in time, and nothing is old any more. */
async function pullAll({ server, places: { contents }, problems }: AuditDeps): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  let right = 0
  const left = [...contents.items]

  async function pull(item: Item): Promise<void> {
    let found: Read | undefined
    for (const until = performance.now() + wellWithinMs; performance.now() < until; await sleep(300)) {
      const plan = { item, method: 'GET', range: undefined, leavesAt: undefined, pauseMs: 0 } as const
      found = await read(server.house!.url + item.path, plan, agent, patienceMs)
      if (found.how === 'wrong') break
      if (found.how !== 'right' || found.version !== item.now) continue
      right++
      return
    }
    const what =
      found?.how === 'right' ? `still version ${found.version}, where ${item.now} is meant` : `${found?.how}: ${found?.note}`
    problems.add('not well again', `${item.path}: ${what}`)
  }

  async function one(): Promise<void> {
    for (let item = left.pop(); item; item = left.pop()) await pull(item)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  agent.destroy()
  return right
}

async function rehash(store: string, problems: Problems): Promise<Pick<Audit, 'rehashed' | 'rehashedBytes'>> {
  const held = await blobsOn(store)
  let rehashedBytes = 0
  for (const digest of held) {
    const bytes = await readFile(await blobPath(store, digest))
    rehashedBytes += bytes.length
    const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    if (actual !== digest) problems.add('a stored blob has other bytes than its name says', `${digest}: ${actual}`)
  }
  return { rehashed: held.length, rehashedBytes }
}

/** A new life without any upstream: what is on disk is known, and served. */
async function serveAlone({ server, places: { contents }, store, problems }: AuditDeps): Promise<number> {
  const held = new Set(await blobsOn(store))
  await server.start()
  const agent = new Agent({ keepAlive: true })
  let served = 0
  for (const item of contents.items.filter(({ kind }) => kind === 'blob' || kind === 'manifest')) {
    const digest = item.path.slice(item.path.lastIndexOf('/') + 1)
    if (!held.has(digest)) continue
    const plan = { item, method: 'GET', range: undefined, leavesAt: undefined, pauseMs: 0 } as const
    const found = await read(server.house!.url + item.path, plan, agent, patienceMs)
    if (found.how === 'right') served++
    else if (await isHeld(store, digest))
      problems.add('held, and not served without an upstream', `${item.path}: ${found.how} ${found.note}`)
  }
  agent.destroy()
  for (const spool of await leftOfHeld(store)) problems.add('a spool is left of what is held', spool)
  await server.stop()
  return served
}

/** What a start looks for behind itself is given a while; before that, a disk that failed may have kept it from going. */
async function leftOfHeld(store: string): Promise<readonly string[]> {
  for (const until = performance.now() + quietWithinMs; ; await sleep(100)) {
    const held = new Set((await blobsOn(store)).map((digest) => `${spoolStem(digest)}.part`))
    const left = (await spoolsOn(store)).filter((spool) => held.has(spool))
    if (left.length === 0 || performance.now() > until) return left
  }
}
