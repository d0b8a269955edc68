import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Target, upstreamName } from './target.ts'

export interface MirrorPlan {
  /** Where the registry itself is; if not said, nowhere: its name does not resolve, so only the mirror can answer. */
  readonly origin?: string
  readonly from?: 'all' | 'digest-only' | 'tag-only'
}

/** Writes a registries.conf that sends `registry.lab` to the target. */
export async function writeMirrorSettings(file: string, target: Target, plan: MirrorPlan = {}): Promise<void> {
  const lines = [
    '[[registry]]',
    `prefix = "${upstreamName}"`,
    `location = "${plan.origin ?? upstreamName}"`,
    'insecure = true',
    '[[registry.mirror]]',
    `location = "${target.address}${target.prefix === '' ? '' : `/${upstreamName}`}"`,
    'insecure = true',
    ...(plan.from === undefined ? [] : [`pull-from-mirror = "${plan.from}"`]),
  ]
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${lines.join('\n')}\n`)
}
