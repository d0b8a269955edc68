import type { ImageSummary } from '../../catalog/catalog.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printJson, printSize, printTable, printTime } from '../print.ts'
import { readSettings } from '../settings.ts'

export const images: Command = {
  name: 'images',
  parameters: '[PATTERN]',
  options: jsonOption,
  summary: 'List the images and files that are here',
  more:
    'PATTERN is a part of the name; or, with * for anything, all of it: images "docker.io/*:24.04". HELD says how many of\n' +
    'the blobs that an image names are not here; of an image of many platforms usually one platform was asked for.',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const list = await withKeeping(config, surroundings, (catalog) => catalog.images(given.words[0]))
    if (given.options.json) surroundings.stdout.write(printJson(list))
    else if (list.length > 0) surroundings.stdout.write(printTable(headings, list.map(row)))
    else surroundings.stderr.write(given.words[0] === undefined ? 'Nothing is here yet.\n' : 'Nothing here has such a name.\n')
    return exitCodes.done
  },
}

const headings = ['DATE', 'HELD', 'REFERENCE', '>SIZE', 'LAST USED', 'PINNED'] as const

function row(image: ImageSummary): readonly string[] {
  return [
    printTime(image.createdAt)!,
    image.missing === 0 ? 'all' : `all but ${image.missing}`,
    image.name,
    printSize(image.size),
    printTime(image.lastUsed)!,
    image.isPinned ? 'yes' : '',
  ]
}
