import { setTimeout as sleep } from 'node:timers/promises'
import { KiB } from '../kit/blobs.ts'
import { createDice, type Dice } from '../kit/dice.ts'
import type { Contents } from './contents.ts'
import { calm } from './control.ts'
import type { Places } from './places.ts'
import type { Scale } from './scale.ts'
import type { Server } from './server.ts'
import type { Tally } from './tally.ts'
import type { Volume } from './volume.ts'

export interface MishapDeps {
  readonly seed: number
  readonly scale: Scale
  readonly server: Server
  readonly places: Places
  readonly volume: Volume
  readonly faults: Tally
  readonly outcomes: Tally // of requests
  readonly workers: number | undefined
  readonly say: (line: string) => void
}

/** Something that befalls the server. All chance is taken before anything is waited for. */
interface Mishap {
  readonly name: string
  begin(): unknown
  readonly forMs?: number // then it ends
  end?(): unknown
}

const hour = 3_600_000
const usualRate = 0.15
const longestMs = 120_000 // past its time, on a machine that is very slow

/**
 * One mishap after the other until the time is over, each decided by the seed alone; how many there is time for is not. On a
 * slow machine the time is longer: a server that is not yet up serves nobody. Then all is well again, but for what the server
 * makes of it.
 */
export async function strike(deps: MishapDeps): Promise<void> {
  const { seed, scale, places, faults, outcomes, say } = deps
  const dice = createDice(`${seed} mishaps`)
  const next = createPack(deps, dice)
  const running = new Set<Promise<unknown>>()
  const over = new AbortController()
  const until = performance.now() + scale.seconds * 1000
  const isLate = () => performance.now() > until - scale.seconds * 250 // the last life is to be a long one
  let killedAt = performance.now()
  let kills = 0
  const isOver = () => {
    const now = performance.now()
    return now > until + longestMs || (now > until && kills > 0 && outcomes.of('right') >= scale.rightAtLeast)
  }
  places.dealer.usual(usualRate)

  while (!isOver()) {
    const pauseMs = 50 + dice.below(scale.pauseMs)
    const mishap = next()
    const kill = chooseKill(deps, dice)
    await sleep(pauseMs)
    const isDue = performance.now() - killedAt > scale.killEveryMs && (!isLate() || kills === 0)
    const due = isDue ? kill : mishap
    faults.add(due.name)
    say(due.name)
    await due.begin()
    if (isDue) {
      killedAt = performance.now()
      kills++
    }
    if (due.forMs === undefined) continue
    const ending = sleep(due.forMs, undefined, { signal: over.signal })
      .catch(() => {})
      .then(due.end)
    running.add(ending)
    void ending.finally(() => running.delete(ending))
  }
  over.abort()
  await Promise.all(running)
  places.dealer.usual(0)
  deps.server.set(calm)
  deps.volume.release()
}

function chooseKill({ server, workers }: MishapDeps, dice: Dice): Mishap {
  const at = dice.below(1000)
  const isWorker = workers !== undefined && dice.chance(0.5)
  const downMs = dice.below(300)
  if (isWorker) return { name: 'killed: a worker', begin: () => server.killWorker((of) => of[at % of.length]!) }
  return {
    name: 'killed: the server',
    async begin() {
      await server.kill()
      await sleep(downMs)
      await server.start()
    },
  }
}

/** Each kind comes once before one comes again, as with a pack of cards. */
function createPack(deps: MishapDeps, dice: Dice): () => Mishap {
  const always = [badDisk, slowDisk, shortDisk, clock, clock, outage, storm, change, change, reload]
  const kinds = deps.volume.unfilled === undefined ? [...always, fullDisk, fullDisk] : always
  let left: (typeof fullDisk)[] = []
  return () => {
    if (left.length === 0) left = [...dice.shuffled(kinds)]
    return left.pop()!(deps, dice)
  }
}

function fullDisk({ volume }: MishapDeps, dice: Dice): Mishap {
  const leave = dice.pick([0, 0, 64 * KiB, 1024 * KiB, 6 * 1024 * KiB])
  return {
    name: 'disk: full',
    begin: () => volume.squeeze(leave),
    forMs: 300 + dice.below(2500),
    end: volume.release,
  }
}

function badDisk({ server }: MishapDeps, dice: Dice): Mishap {
  const errors = dice.pick([0.002, 0.01, 0.05, 0.3])
  return {
    name: 'disk: failing for a while',
    begin: () => server.set({ errors }),
    forMs: 300 + dice.below(1500),
    end: () => server.set({ errors: 0 }),
  }
}

function slowDisk({ server }: MishapDeps, dice: Dice): Mishap {
  const slowMs = dice.pick([5, 20, 80])
  return {
    name: 'disk: slow for a while',
    begin: () => server.set({ slowMs }),
    forMs: 500 + dice.below(2500),
    end: () => server.set({ slowMs: 0 }),
  }
}

function shortDisk({ server }: MishapDeps, dice: Dice): Mishap {
  return {
    name: 'disk: does less than asked for a while',
    begin: () => server.set({ short: 0.3 }),
    forMs: 500 + dice.below(3000),
    end: () => server.set({ short: 0 }),
  }
}

/** It stays wrong until the next jump. */
function clock({ server }: MishapDeps, dice: Dice): Mishap {
  const by = dice.pick([0, 0, 5_000, -5_000, hour, -hour, 26 * hour, -26 * hour, 9_000 * hour, -9_000 * hour])
  const isAhead = by >= server.control.clockBy
  return { name: `clock: jumps ${isAhead ? 'forward' : 'backward'}`, begin: () => server.set({ clockBy: by }) }
}

function outage({ places }: MishapDeps, dice: Dice): Mishap {
  const [name, place] = dice.pick(Object.entries(places.each))
  return {
    name: `upstream: the ${name} is down`,
    begin: () => place.refuse(),
    forMs: 200 + dice.below(2000),
    end: () => place.reopen(),
  }
}

function storm({ places }: MishapDeps, dice: Dice): Mishap {
  const name = dice.pick(Object.keys(places.each))
  const rate = dice.pick([0.5, 0.7, 0.95])
  return {
    name: `upstream: the ${name} fails mostly`,
    begin: () => places.dealer.often(name, rate),
    forMs: 500 + dice.below(3000),
    end: () => places.dealer.often(name, usualRate),
  }
}

function change({ places: { contents } }: MishapDeps, dice: Dice): Mishap {
  const item = dice.pick(changing(contents))
  return { name: `upstream: another ${item.kind} of that name`, begin: () => item.change?.() }
}

function changing({ items }: Contents) {
  return items.filter(({ change }) => change !== undefined)
}

function reload({ server }: MishapDeps): Mishap {
  return {
    name: 'told to read its settings again',
    begin() {
      if (server.house) process.kill(server.house.pid, 'SIGHUP')
    },
  }
}
