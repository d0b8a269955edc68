import type { Catalog } from '../catalog/catalog.ts'
import type { Config } from '../config/config.ts'
import { publicUrlOf } from '../config/public-url.ts'
import { type Clock, steadyClock, systemClock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { Metrics, Reading } from '../system/metrics.ts'
import type { Uses } from '../system/uses.ts'
import { createTransfer } from '../transfer/local-transfer.ts'
import type { Transfer } from '../transfer/transfer.ts'
import { createUplink, type UplinkLimits } from '../transfer/uplink.ts'
import { composeUpper, type Upper } from './compose.ts'
import { openGround } from './ground.ts'

/** Everything below the edge and the command line. */
export interface House {
  /** As the newest settings have it. */
  readonly catalog: Catalog
  /** Who asks the catalog enters, and leaves when it is answered. */
  readonly uses: Uses
  readonly transfer: Pick<Transfer, 'list'>
  readonly metrics: Metrics
  /** Looks after what it holds, behind everything else, until it is closed. */
  tend(): Promise<void>
  /**
   * Takes new settings for whatever is asked from now on. What is under way goes on with those that it began with.
   *
   * @throws Fault 'config-invalid', and nothing has changed
   */
  reload(config: Config): Promise<void>
  /** Lets fills go on until the signal aborts, keeps the rest as spools, and gives the store up. */
  close(signal: AbortSignal): Promise<void>
}

export interface Surroundings {
  readonly log: Logger
  readonly version: string
  readonly clock?: Clock
  /** How clients reach the server, where that is known only once it listens. */
  readonly publicUrl?: () => string | undefined
  /** Would a question there come back to us? */
  readonly isOwn?: (url: URL) => boolean
}

/** @throws Fault 'store-locked' when another process owns the store, 'config-invalid' for keys of no use, 'disk-failed' */
export async function openHouse(first: Config, surroundings: Surroundings): Promise<House> {
  const { log, version, clock = systemClock, isOwn = () => false } = surroundings
  const steady = surroundings.clock ?? steadyClock
  let config = first
  let upper: Upper | undefined
  let isTended = false
  const alive = new Set<Upper>() // those of earlier settings too, as long as something goes on with them
  const ground = await openGround(first, { log, version, clock, steady }, () => upper && evictionOf(upper, alive))
  const uplink = createUplink(uplinkOf(first), steady)
  const transfer = createTransfer({
    ...first.transfer,
    store: ground.store,
    hasher: ground.hasher,
    clock: steady,
    log,
    metrics: ground.metrics,
    uplink,
    supply: () => upper!.supply,
  })

  async function compose(next: Config, records = ground.records): Promise<Upper> {
    const publicUrl = surroundings.publicUrl ?? (() => publicUrlOf(config))
    const made = await composeUpper(next, { ...ground, records }, { transfer, publicUrl, isOwn, latest: () => upper! })
    alive.add(made)
    return made
  }

  /** What was found or made under the earlier settings while the new ones had begun may have been missed by them. */
  async function retire(old: Upper): Promise<void> {
    await old.uses.over()
    await old.catalog.settled()
    await old.close()
    alive.delete(old)
    upper!.refresh()
    log.info('reload.over', { why: 'nothing goes on with the settings of before' })
  }

  try {
    upper = await compose(first)
  } catch (error) {
    await ground.close()
    throw error
  }
  ground.watch()
  const allowed = (about: 'remaining' | 'limit') => () =>
    [...upper!.budgets].flatMap(([id, { told }]): Reading[] => (told?.[about] === undefined ? [] : [[[id], told[about]]]))
  const { gauges } = ground.metrics
  gauges('upstream_budget_remaining', 'Pulls that a registry says it still allows', ['upstream'], allowed('remaining'))
  gauges('upstream_budget_limit', 'Pulls that a registry says it allows in all', ['upstream'], allowed('limit'))
  const isBusy = () => transfer.list().length > 0

  return {
    get catalog() {
      return upper!.catalog
    },
    get uses() {
      return upper!.uses
    },
    transfer,
    metrics: ground.metrics,
    async tend() {
      isTended = true
      await ground.scrub(config, isBusy)
    },
    async reload(next) {
      const made = await compose(next, { ...ground.records, isNew: false })
      const old = upper!
      upper = made
      config = next
      ground.setSpace(next)
      if (isTended) await ground.scrub(next, isBusy)
      uplink.setLimits(uplinkOf(next))
      transfer.setLimits(next.transfer.maxFills, next.transfer.maxQueued)
      retire(old).catch((error) => log.error('reload.over', { error }))
    },
    async close(signal) {
      await transfer.close(signal)
      for (const one of alive) await one.close()
      await ground.close()
    },
  }
}

/** The newest settings say what is pinned; all are told of what went. */
function evictionOf({ catalog: { eviction } }: Upper, alive: ReadonlySet<Upper>): Upper['catalog']['eviction'] {
  return {
    ...eviction,
    evicted(id) {
      for (const { catalog } of alive) catalog.eviction.evicted(id)
    },
  }
}

function uplinkOf({ outbound, upstreams }: Config): UplinkLimits {
  return {
    bytesPerSecond: outbound.maxBytesPerSecond,
    ofUpstream: (id) => upstreams.get(id)?.maxBytesPerSecond,
  }
}
