import { execFile } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { now } from '../now.ts'
import { busyShare } from '../report/machine.ts'

const run = promisify(execFile)
const quiet = 0.1 // share of the processors in use

/**
 * Each contestant once a round, in turn and with the order turned around every other round, so that neither a machine that
 * slows down nor going first favours anybody.
 */
export async function inRounds<Contestant>(
  rounds: number,
  contestants: readonly Contestant[],
  measure: (contestant: Contestant, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) await measure(contestant, round)
  }
}

/**
 * Lets the disk have what earlier measurements wrote, so that the next one does not pay for it, and waits for a moment in
 * which nobody else uses the machine, at most so long.
 */
export async function settle(withinMs: number): Promise<void> {
  await run('sync', { timeout: 120_000 })
  const limit = now() + withinMs
  while ((await busyShare(200)) > quiet && now() < limit);
}

const step = 4 * 1024 * 1024

/**
 * Makes the machine have so much memory ready for files: a virtual one gets it from its host page by page when it is first
 * used, which can take longer than what is measured, and would be charged to whoever comes first.
 */
export async function readyMemory(path: string, bytes: number): Promise<void> {
  const zeros = Buffer.alloc(step)
  const file = await open(path, 'w')
  for (let at = 0; at < bytes; at += step) await file.write(zeros)
  await file.close()
  await rm(path)
}
