import { writeFile } from 'node:fs/promises'
import { type Options, parseOptions, usage } from './options.ts'
import { printOutcome } from './print.ts'
import { runChaos } from './run.ts'

async function main({ seed, scale, workers, log }: Options): Promise<number> {
  const again = `node test/chaos/main.ts ${process.argv
    .slice(2)
    .filter((word, at, all) => word !== '--seed' && all[at - 1] !== '--seed')
    .join(' ')} --seed ${seed}`
  console.log(`seed ${seed}; the same again: ${again.replace(/ +/g, ' ')}`)
  const startedAt = performance.now()
  const say = (line: string): void => console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`)
  const outcome = await runChaos({ scale, seed, workers, say })
  if (log !== undefined) await writeFile(log, outcome.output)
  console.log(printOutcome(outcome))
  if (outcome.problems.length > 0) console.log(`the same again: ${again}`)
  return outcome.problems.length > 0 ? 1 : 0
}

/** The arguments; help where only that is wanted, or what is wrong with them. */
function options(): Options | 'help' | 'wrong' {
  try {
    return parseOptions(process.argv.slice(2)) ?? 'help'
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    return 'wrong'
  }
}

// Servers, and what is mounted, are let go of when the process exits, which a signal alone does not make it do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

const asked = options()
if (asked === 'help') console.log(usage)
process.exitCode = asked === 'help' ? 0 : asked === 'wrong' ? 2 : await main(asked)
