import type { Keeping } from '../../catalog/catalog.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printJson, printSize, printTable, printTime } from '../print.ts'
import { readSettings } from '../settings.ts'

type Mirror = Awaited<ReturnType<Keeping['mirrors']>>[number]

export const mirrors: Command = {
  name: 'mirrors',
  parameters: '',
  options: jsonOption,
  summary: 'List the mirrors of the settings, in the order of asking, and how they are doing',
  more: 'Health and speed are those that the running server has seen since it was started.',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const list = await withKeeping(config, surroundings, (catalog) => catalog.mirrors())
    if (given.options.json) surroundings.stdout.write(printJson(list))
    else if (list.length > 0) surroundings.stdout.write(printTable(headings, list.map(row)))
    else surroundings.stderr.write('There are no mirrors in the settings.\n')
    return exitCodes.done
  },
}

const headings = ['UPSTREAM', '>RANK', 'STATE', '>SPEED', 'COUNTRY', 'URL', 'LAST ERROR'] as const

function row(mirror: Mirror): readonly string[] {
  const { upstream, rank, state, downUntil, bytesPerSecond, country, url, lastError } = mirror
  return [
    upstream,
    String(rank),
    state === 'down' && downUntil !== undefined ? `down until ${printTime(downUntil)}` : state,
    bytesPerSecond === undefined ? '-' : `${printSize(bytesPerSecond)}/s`,
    country ?? '-',
    url,
    lastError ?? '',
  ]
}
