import { writeFile } from 'node:fs/promises'
import { Fault } from '../../model/fault.ts'
import { fileFault } from '../../system/files.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { parseBlobTarget, parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const metalink: Command = {
  name: 'metalink',
  parameters: 'REF',
  options: {
    output: { short: 'o', value: 'FILE', help: 'Write it there instead of printing it' },
    sign: { help: 'Sign it with the key of the settings: to FILE.asc, or printed after the document' },
    platform: { value: 'OS/ARCH', help: 'Of an image of many platforms; "all" for the index with all of them' },
    blob: { help: 'REF is a blob of a repository: REGISTRY/NAME@sha256:…' },
  },
  summary: 'Print the metalink of an image, file or blob: where to get it, how to check it',
  more: 'What it lists is found at the publicUrl of the settings, at mirrors that hold it, and at registries open to anybody.',
  async run(given, surroundings) {
    const { output, platform, blob, sign } = given.options
    const config = readSettings(given, surroundings)
    if (sign && !config.signing) throw new Fault('config-invalid', { file: config.file, mistakes: [noKey] })
    const target = (blob ? parseBlobTarget : parseTarget)(given.words[0]!, namesOf(config))
    const options = { ...(typeof platform === 'string' ? { platform } : {}), sign: sign === true }
    const { text, signature } = await withKeeping(config, surroundings, (catalog, ask) => catalog.metalink(target, options, ask))
    const signed = signature === undefined ? '' : `${signature}\n`
    if (typeof output === 'string' && output !== '-') {
      await write(output, text)
      if (signed) await write(`${output}.asc`, signed)
    } else surroundings.stdout.write(text + signed)
    return exitCodes.done
  },
}

const noKey = 'signing.key: --sign needs one, and none is set'

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw fileFault(error, path)
  }
}
