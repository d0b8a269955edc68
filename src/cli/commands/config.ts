import { configJsonSchema } from '../../config/json-schema.ts'
import { isFault } from '../../model/fault.ts'
import { type Command, exitCodes } from '../command.ts'
import { plural, printJson } from '../print.ts'
import { unreadable } from '../readable.ts'
import { readSettings } from '../settings.ts'

export const configCheck: Command = {
  name: 'config check',
  parameters: '[FILE]',
  summary: 'Check settings: print every mistake in them, or that there is none',
  more:
    'Variables FOREBAY_… are read along with the file, as when the proxy starts. Secrets and certificates that cannot be read\n' +
    'here are noted; they may be there where the proxy runs.',
  async run(given, surroundings) {
    const options = { config: given.words[0] ?? given.options.config }
    try {
      const config = readSettings({ options }, surroundings)
      const { upstreams } = config
      for (const line of unreadable(config)) surroundings.stderr.write(`Note: ${line}\n`)
      surroundings.stdout.write(
        `The settings are fine: ${plural(upstreams.size, 'upstream')} (${[...upstreams.keys()].join(', ')}).\n`,
      )
      return exitCodes.done
    } catch (error) {
      if (!isFault(error, 'config-invalid')) throw error
      surroundings.stderr.write(`${error.message}\n`)
      return exitCodes.failed
    }
  },
}

export const configSchema: Command = {
  name: 'config schema',
  parameters: '',
  summary: 'Print the JSON Schema of the settings, for editors',
  async run(_given, { stdout }) {
    stdout.write(printJson(configJsonSchema()))
    return exitCodes.done
  },
}
