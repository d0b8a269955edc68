import type { Inspection } from '../../catalog/catalog.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printFacts, printJson, printSize, printTable, printTime } from '../print.ts'
import { parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const inspect: Command = {
  name: 'inspect',
  parameters: 'REF',
  options: jsonOption,
  summary: 'Tell everything known of one image or blob, without asking its registry',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const target = parseTarget(given.words[0]!, namesOf(config))
    const found = await withKeeping(config, surroundings, (catalog) => catalog.inspect(target))
    surroundings.stdout.write(given.options.json ? printJson(found) : describe(found))
    return exitCodes.done
  },
}

function describe(found: Inspection): string {
  const facts = printFacts([
    ['Digest', found.digest],
    ...found.aliases.filter((alias) => alias !== found.digest).map((alias) => ['Also', alias] as const),
    ['Type', found.mediaType],
    ['Size', `${printSize(found.size)} (${found.size} bytes)`],
    ['Path', found.path ?? 'not here'],
    ...found.names.map((name) => ['Name', name] as const),
    ...found.freshness.map(
      ({ name, state, checkedAt }) => ['Tag', `${name} is ${states[state]}, last confirmed ${printTime(checkedAt)}`] as const,
    ),
    ['Since', printTime(found.createdAt)],
    ['Last used', printTime(found.lastUsed)],
  ])
  return found.parts.length > 0 ? `${facts}\n${printTable(headings, found.parts.map(row))}` : facts
}

const states: Readonly<Record<Inspection['freshness'][number]['state'], string>> = {
  fresh: 'fresh',
  stale: 'due to be confirmed',
  gone: 'too old to be served without asking',
}

const headings = ['HELD', 'PART', 'PLATFORM', '>SIZE', 'TYPE'] as const

function row(part: Inspection['parts'][number]): readonly string[] {
  return [part.isHeld ? 'yes' : 'no', part.digest, part.platform ?? '-', printSize(part.size), part.mediaType]
}
