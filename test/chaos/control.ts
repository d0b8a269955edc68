import { renameSync, writeFileSync } from 'node:fs'

/** What the disk and the clock of the server do to it now. */
export interface Control {
  readonly errors: number // chance of a call to fail with EIO, 0 to 1
  readonly short: number // chance of a read or a write to do less than it was asked for
  readonly slowMs: number // before each call, at most
  readonly clockBy: number // ms that its clock is ahead
}

/** What became of one blob, or was done to the server, as `shim.ts` tells it. */
export type Told =
  | { readonly what: 'fault'; readonly kind: string }
  | { readonly what: 'committed' | 'evicted' | 'quarantined'; readonly digest: string }
  | { readonly what: 'removed'; readonly digest: string; readonly stack: string }

export const calm: Control = { errors: 0, short: 0, slowMs: 0, clockBy: 0 }

/** Variables that say to `shim.ts` where things are. */
export const names = { control: 'CHAOS_CONTROL', told: 'CHAOS_TOLD', store: 'CHAOS_STORE', seed: 'CHAOS_SEED' } as const

export function writeControl(path: string, control: Control): void {
  writeFileSync(`${path}.new`, JSON.stringify(control))
  renameSync(`${path}.new`, path)
}
