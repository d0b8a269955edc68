import type { Config, Origin } from '../config/config.ts'
import type { News } from '../workers/wire.ts'

/** What a worker is told when it begins. */
export interface WorkerPlan {
  readonly file: string // of the settings
  /** As the server was started with, and as they are now. */
  readonly first: Origin
  readonly now: Origin
  readonly count: number // of workers
  readonly place: number // which of them it is
  readonly urls: readonly string[] // of the listeners
  readonly version: string
  readonly news: News
}

/**
 * Limits in all are shared out evenly, so that together they are as much, but for limits of less than one for each; those of one
 * client are its own, as all of its connections come to one worker.
 */
export function shareOf(config: Config, { count, place }: Pick<WorkerPlan, 'count' | 'place'>): Config {
  const { limits, store } = config
  const share = (whole: number) => Math.max(1, Math.floor(whole / count) + (place < whole % count ? 1 : 0))
  return {
    ...config,
    limits: {
      ...limits,
      connections: share(limits.connections),
      requests: share(limits.requests),
      bytesPerSecond: limits.bytesPerSecond && share(limits.bytesPerSecond),
    },
    store: { ...store, memory: Math.floor(store.memory / (count + 1)) },
  }
}

export function hasLimitsPerClient({ limits }: Config): boolean {
  const { connectionsPerClient, requestsPerClient, bytesPerSecondPerClient } = limits
  return [connectionsPerClient, requestsPerClient, bytesPerSecondPerClient].some((limit) => limit !== undefined)
}
