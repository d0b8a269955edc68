import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const pin: Command = {
  name: 'pin',
  parameters: 'REF',
  summary: 'Keep an image, whatever room is needed',
  more: 'It need not be here yet. Names of the settings (store.pins) stay pinned too.',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const target = parseTarget(given.words[0]!, namesOf(config))
    const isNew = await withKeeping(config, surroundings, (catalog) => catalog.pin(target))
    surroundings.stdout.write(`${given.words[0]} ${isNew ? 'is pinned now' : 'was pinned already'}\n`)
    return exitCodes.done
  },
}

export const unpin: Command = {
  name: 'unpin',
  parameters: 'REF',
  summary: 'Let an image go again when room is needed',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const target = parseTarget(given.words[0]!, namesOf(config))
    const wasPinned = await withKeeping(config, surroundings, (catalog) => catalog.unpin(target))
    if (!wasPinned) surroundings.stderr.write(`${given.words[0]} was not pinned by a command; see store.pins in the settings\n`)
    return wasPinned ? exitCodes.done : exitCodes.notFound
  },
}
