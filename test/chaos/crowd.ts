import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDice, type Dice } from '../kit/dice.ts'
import { createRandom, createZipf } from '../kit/random.ts'
import type { Item } from './contents.ts'
import type { Problems } from './problems.ts'
import { type Plan, type Read, read } from './read.ts'
import type { Scale } from './scale.ts'
import type { Server } from './server.ts'
import type { Tally } from './tally.ts'

export interface CrowdDeps {
  readonly seed: number
  readonly scale: Scale
  readonly items: readonly Item[]
  readonly server: Server
  readonly problems: Problems
  readonly outcomes: Tally
  readonly bytes: Tally // of bodies, by how they ended
}

/** Well past all that may be waited for: a place that is silent, a queue, a disk that is slow. */
const patienceMs = 60_000
const restMs = 60
const deathMs = 2_000 // until it is known of a worker that it is dead, on a busy machine

/** Clients that ask for one thing after the other until told to stop; what each does depends on the seed and its own number. */
export function gatherCrowd(deps: CrowdDeps): { leave(): Promise<void> } {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, timeout: patienceMs })
  let isOver = false
  const clients = Array.from({ length: deps.scale.readers }, (_, at) => client(at))

  async function client(at: number): Promise<void> {
    const dice = createDice(`${deps.seed} client ${at}`)
    const popular = createZipf(deps.items.length, 0.7, createRandom(deps.seed * 1000 + at))
    await sleep(dice.below(500))
    while (!isOver) {
      const plan = planRead(dice, deps.items[popular()]!)
      const rest = dice.below(restMs)
      const { house } = deps.server
      if (house) await one(house.url, plan)
      await sleep(rest)
    }
  }

  async function one(base: string, plan: Plan): Promise<void> {
    const askedAt = performance.now()
    const found = await read(base + plan.item.path, plan, agent, patienceMs)
    deps.outcomes.add(found.how === 'right' && plan.method === 'HEAD' ? 'right, headers only' : found.how)
    deps.bytes.add(found.how, found.bytes)
    const why = await complaint(deps.server, askedAt, plan, found)
    if (why) deps.problems.add(why, `${plan.method} ${plan.item.path} ${printRange(plan)}: ${found.note}`)
  }

  return {
    async leave() {
      isOver = true
      await Promise.all(clients)
      agent.destroy()
    },
  }
}

function planRead(dice: Dice, item: Item): Plan {
  const size = Math.min(...item.versions.map(({ length }) => length))
  const kind = dice.below(100)
  const start = dice.below(Math.max(1, size))
  const some = { start, end: Math.min(size, start + 1 + dice.below(512 * 1024)) }
  const leavesAt = dice.below(Math.max(1, size))
  const plan: Plan = { item, method: 'GET', range: undefined, leavesAt: undefined, pauseMs: 0 }
  const isRanged = size > 0 && item.kind !== 'manifest' && item.kind !== 'tag'
  if (kind < 5) return { ...plan, method: 'HEAD' }
  if (kind < 15) return { ...plan, leavesAt }
  if (kind < 18) return { ...plan, pauseMs: 10 }
  if (kind < 30 && isRanged) return { ...plan, range: { start, end: undefined } }
  // What ends before the end is not held back until all of it is known to be right: of what is lied about, it may be wrong.
  if (kind < 50 && isRanged && !item.isLiedAbout) return { ...plan, range: some }
  return plan
}

/** Undefined where it had to be expected. */
async function complaint(
  server: Server,
  askedAt: number, // ms
  { item, range }: Plan,
  { how, status }: Read,
): Promise<string | undefined> {
  if (how === 'wrong') return 'wrong bytes'
  if (how === 'late') return 'no end of an answer'
  if (how === 'odd') {
    const isDisk = status === 500 && server.control.errors > 0 // and nothing else is left to try
    const isSize = status === 416 && range !== undefined && item.isLiedAbout // its place said that it is shorter
    return isDisk || isSize ? undefined : 'an answer with no reason for it'
  }
  if (how !== 'no answer') return undefined
  await sleep(500) // a server that is gone is known to be gone a moment later
  return server.diedAt < askedAt - deathMs && server.house ? 'no answer of a server that lives' : undefined
}

function printRange({ range }: Plan): string {
  return range === undefined ? '' : `bytes ${range.start}-${range.end ?? ''}`
}
