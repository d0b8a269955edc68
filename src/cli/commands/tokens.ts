import { parseDuration } from '../../config/units.ts'
import { Fault } from '../../model/fault.ts'
import { type Command, exitCodes } from '../command.ts'
import { jsonOption } from '../options.ts'
import { printJson, printTable, printTime } from '../print.ts'
import { readSettings } from '../settings.ts'

export const tokensIssue: Command = {
  name: 'tokens issue',
  parameters: 'NAME',
  options: { expires: { value: 'TIME', help: 'after that it is good for nothing: 12h, 90d' }, ...jsonOption },
  summary: 'Make a token that acts in a name',
  more:
    'It is printed this once, on standard output; only a hash of it is kept. Clients send it as a Bearer token, or type it as\n' +
    'the password of any user: docker login, apptainer remote login --tokenfile. What NAME may read stands in the settings\n' +
    '(access.rules). A running server knows it within seconds.',
  async run(given, surroundings) {
    const { expires, json } = given.options
    const expiresInMs = typeof expires === 'string' ? parseDuration(expires) : undefined
    if (expires !== undefined && !expiresInMs)
      throw new Fault('request-invalid', { what: `--expires ${expires}`, why: 'expected a duration such as 12h or 90d' })
    const tokens = await surroundings.tokens(readSettings(given, surroundings))
    const { token, ...facts } = await tokens.issue(given.words[0]!, expiresInMs)
    if (json) surroundings.stdout.write(printJson({ ...facts, token }))
    else surroundings.stdout.write(`${token}\n`)
    if (!json)
      surroundings.stderr.write(
        `Token ${facts.id} acts as ${facts.name}, ${untilWhen(facts.expiresAt)}; it is not shown again.\n`,
      )
    return exitCodes.done
  },
}

export const tokensList: Command = {
  name: 'tokens list',
  parameters: '',
  options: jsonOption,
  summary: 'List the tokens there are',
  async run(given, surroundings) {
    const tokens = await surroundings.tokens(readSettings(given, surroundings))
    const list = await tokens.list()
    const rows = list.map(({ id, name, createdAt, expiresAt }) => [
      id,
      name,
      printTime(createdAt)!,
      printTime(expiresAt) ?? 'never',
    ])
    if (given.options.json) surroundings.stdout.write(printJson(list))
    else if (list.length > 0) surroundings.stdout.write(printTable(['ID', 'NAME', 'ISSUED', 'EXPIRES'], rows))
    else surroundings.stderr.write('No token was issued.\n')
    return exitCodes.done
  },
}

export const tokensRevoke: Command = {
  name: 'tokens revoke',
  parameters: 'ID',
  summary: 'Make a token good for nothing',
  more: 'ID is as `tokens list` prints it. A running server knows it within seconds.',
  async run(given, surroundings) {
    const tokens = await surroundings.tokens(readSettings(given, surroundings))
    const wasThere = await tokens.revoke(given.words[0]!)
    if (wasThere) surroundings.stdout.write(`Token ${given.words[0]} is revoked\n`)
    else surroundings.stderr.write(`There is no token ${given.words[0]}; see forebay tokens list\n`)
    return wasThere ? exitCodes.done : exitCodes.notFound
  },
}

function untilWhen(expiresAt: number | undefined): string {
  return expiresAt === undefined ? 'until it is revoked' : `until ${printTime(expiresAt)}`
}
