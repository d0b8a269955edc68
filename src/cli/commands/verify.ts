import type { Verification } from '../../catalog/catalog.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { plural, printJson, printSize } from '../print.ts'
import { parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const verify: Command = {
  name: 'verify',
  parameters: '[REF]',
  options: jsonOption,
  summary: 'Hash what is stored again; what is wrong is set aside, to be fetched anew',
  more: `Exit code ${exitCodes.unverified} when anything was wrong.`,
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const [text] = given.words
    const target = text === undefined ? undefined : parseTarget(text, namesOf(config))
    const result = await withKeeping(config, surroundings, (catalog, ask) => catalog.verify(target, ask))
    for (const line of result.bad.map(describe)) surroundings.stderr.write(line)
    const summary = `${plural(result.checked, 'blob')}, ${printSize(result.bytes)} checked, ${result.bad.length} bad\n`
    surroundings.stdout.write(given.options.json ? printJson(result) : summary)
    return result.bad.length > 0 ? exitCodes.unverified : exitCodes.done
  },
}

function describe({ digest, actual, movedTo }: Verification['bad'][number]): string {
  return `bad: ${digest} has become ${actual}${movedTo ? `; moved to ${movedTo}` : ''}\n`
}
