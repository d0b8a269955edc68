import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printJson } from '../print.ts'
import { readSettings } from '../settings.ts'
import { printRemoved } from './rm.ts'

export const gc: Command = {
  name: 'gc',
  parameters: '',
  options: jsonOption,
  summary: 'Free what nobody names, and transfers nobody has gone on with for a day',
  async run(given, surroundings) {
    const result = await withKeeping(readSettings(given, surroundings), surroundings, (catalog) => catalog.gc())
    surroundings.stdout.write(given.options.json ? printJson(result) : printRemoved(result))
    return exitCodes.done
  },
}
