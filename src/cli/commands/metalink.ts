import { writeFile } from 'node:fs/promises'
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
    platform: { value: 'OS/ARCH', help: 'Of an image of many platforms; "all" for the index with all of them' },
    blob: { help: 'REF is a blob of a repository: REGISTRY/NAME@sha256:…' },
  },
  summary: 'Print the metalink of an image or blob: where it can be had, and how to check it',
  more: 'What it lists is found at the publicUrl of the settings, at mirrors that hold it, and at registries open to anybody.',
  async run(given, surroundings) {
    const { output, platform, blob } = given.options
    const config = readSettings(given, surroundings)
    const target = (blob ? parseBlobTarget : parseTarget)(given.words[0]!, namesOf(config))
    const options = typeof platform === 'string' ? { platform } : {}
    const { text } = await withKeeping(config, surroundings, (catalog, ask) => catalog.metalink(target, options, ask))
    if (typeof output === 'string' && output !== '-') await write(output, text)
    else surroundings.stdout.write(text)
    return exitCodes.done
  },
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw fileFault(error, path)
  }
}
