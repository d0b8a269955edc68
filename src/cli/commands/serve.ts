import { availableParallelism } from 'node:os'
import { type Command, exitCodes } from '../command.ts'
import { readSettings } from '../settings.ts'

const mostWorkers = 64

export const serve: Command = {
  name: 'serve',
  parameters: '',
  options: {
    workers: {
      value: 'N',
      help: 'Processes that speak to clients, for one that fetches and keeps; auto: one for each processor',
    },
  },
  summary: 'Run the proxy',
  more:
    'SIGTERM and SIGINT let running answers end, for at most drainTimeout. SIGHUP has it read its settings again; what cannot\n' +
    'change while it runs is told in its log.',
  run: async (given, surroundings) => {
    const workers = workersOf(given.options.workers)
    if (workers === 'mistaken') {
      surroundings.stderr.write('forebay serve: --workers takes a number from 1 to 64, or auto\n')
      return exitCodes.usage
    }
    const read = () => readSettings(given, surroundings)
    return surroundings.serve(read(), read, workers)
  },
}

/** One process does all of it where no more are wanted. */
function workersOf(text: string | boolean | undefined): number | 'mistaken' {
  if (text === undefined) return 0
  if (text === 'auto') return workersFor(availableParallelism())
  return typeof text === 'string' && /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= mostWorkers
    ? workersFor(Number(text))
    : 'mistaken'
}

function workersFor(count: number): number {
  return count === 1 ? 0 : Math.min(count, mostWorkers)
}
