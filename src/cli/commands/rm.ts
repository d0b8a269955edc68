import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printJson, printSize } from '../print.ts'
import { parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const rm: Command = {
  name: 'rm',
  parameters: 'REF',
  options: jsonOption,
  summary: 'Remove a name, and its blobs where nothing else names them',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const target = parseTarget(given.words[0]!, namesOf(config))
    const result = await withKeeping(config, surroundings, (catalog) => catalog.remove(target))
    if (result.removed.length === 0) surroundings.stderr.write('Nothing was removed: an image that is here needs it.\n')
    surroundings.stdout.write(given.options.json ? printJson(result) : printRemoved(result))
    return exitCodes.done
  },
}

export function printRemoved({ removed, freed }: { readonly removed: readonly string[]; readonly freed: number }): string {
  return `${removed.map((name) => `removed ${name}\n`).join('')}${printSize(freed)} freed\n`
}
