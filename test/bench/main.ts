import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Figure } from './figures/figure.ts'
import { herd, single } from './figures/herd.ts'
import { herdPaced } from './figures/herd-paced.ts'
import { hotBlob } from './figures/hot-blob.ts'
import { hotManifest } from './figures/hot-manifest.ts'
import { libraryHerd } from './figures/library-herd.ts'
import { libraryPull } from './figures/library-pull.ts'
import { memory } from './figures/memory.ts'
import { metalinkCold } from './figures/metalink-cold.ts'
import { metalinkWarm } from './figures/metalink-warm.ts'
import { mirrors } from './figures/mirrors.ts'
import { mirrorsBad } from './figures/mirrors-bad.ts'
import { pieceCost } from './figures/piece-cost.ts'
import { start } from './figures/start.ts'
import { workers } from './figures/workers.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { describeMachine } from './report/machine.ts'
import type { Row } from './report/row.ts'
import { printTable } from './report/table.ts'
import { findTools, type Tools } from './servers/tools.ts'
import { startUpstream } from './upstream/upstream.ts'

const figures: readonly Figure[] = [
  herdPaced,
  herd,
  single,
  mirrors,
  mirrorsBad,
  pieceCost,
  hotBlob,
  hotManifest,
  metalinkWarm,
  metalinkCold,
  libraryPull,
  libraryHerd,
  workers,
  memory,
  start,
]

interface Report {
  readonly rows: (Row & { readonly figure: string })[]
  readonly failed: { readonly figure: string; readonly why: string }[]
}

async function main(options: Options): Promise<number> {
  const tools = await findTools()
  for (const line of absent(tools)) console.log(line)
  const machine = await describeMachine(tools)
  console.log(`${machine.cores} x ${machine.processor}, Linux ${machine.kernel}, node ${machine.node}`)
  if (machine.othersBusy > 0.1)
    console.log(`others use ${(machine.othersBusy * 100).toFixed(0)} % of the processors: expect noise`)
  const startedAt = new Date()
  const report = await measureAll(options, tools)

  console.log(`\n${printTable(report.rows)}\n`)
  for (const { figure, why } of report.failed) console.log(`${figure} could not be measured: ${why}`)
  console.log(
    `medians of ${options.scale.runs} rounds with least and most; ratio: ours divided by the other's, median of the rounds'`,
  )
  await mkdir(dirname(resolve(options.json)), { recursive: true })
  const seconds = (Date.now() - startedAt.getTime()) / 1000
  await writeFile(
    options.json,
    `${JSON.stringify({ startedAt, seconds, scale: options.scale, machine, ...report }, undefined, 2)}\n`,
  )
  console.log(`${seconds.toFixed(0)} s; written to ${options.json}`)
  return report.failed.length > 0 ? 1 : 0
}

async function measureAll({ scale, only, profile }: Options, tools: Tools): Promise<Report> {
  const report: Report = { rows: [], failed: [] }
  const root = await mkdtemp(join(tmpdir(), 'forebay-bench-'))
  const clear = (): void => rmSync(root, { recursive: true, force: true })
  process.once('exit', clear) // when a signal ends it
  const forebay = { nodeOptions: profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', resolve(profile)] }
  try {
    await using upstream = await startUpstream(root)
    for (const { name, measure } of figures) {
      if (only.length > 0 && !only.includes(name)) continue
      const folder = join(root, name)
      await mkdir(folder)
      const say = (line: string): void => console.log(`${name}: ${line}`)
      try {
        const rows = await measure({ folder, upstream, scale, tools, forebay, say })
        report.rows.push(...rows.map((row) => ({ figure: name, ...row })))
      } catch (error) {
        report.failed.push({ figure: name, why: error instanceof Error ? error.message : String(error) })
      }
      await rm(folder, { recursive: true, force: true })
    }
  } finally {
    process.off('exit', clear)
    await rm(root, { recursive: true, force: true })
  }
  return report
}

function absent({ nginx, dockerRegistry, wrk, apptainer }: Tools): string[] {
  return [
    ...(nginx ? [] : ['nginx is not installed: nothing is compared with it']),
    ...(dockerRegistry ? [] : ['docker-registry is not installed: nothing is compared with it']),
    ...(wrk ? [] : ['wrk is not installed: requests a second are counted by a slower client']),
    ...(apptainer ? [] : ['apptainer is not installed (as root: bash test/e2e/install.sh): library-pull is left out']),
  ]
}

/** The arguments, or undefined once it was said what is wrong with them. */
function options(): Options | undefined {
  try {
    return parseOptions(
      process.argv.slice(2),
      figures.map(({ name }) => name),
      new Date(),
    )
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    return undefined
  }
}

// Servers and files are let go of when the process exits, which a signal alone does not make it do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

const asked = options()
process.exitCode = asked === undefined ? 2 : await main(asked)
