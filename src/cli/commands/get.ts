import type { Keeping } from '../../catalog/catalog.ts'
import { kindOf } from '../../model/media-type.ts'
import { type Command, exitCodes, type Surroundings } from '../command.ts'
import { isDocument } from '../document.ts'
import { getFiles } from '../get-files.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printJson } from '../print.ts'
import { parseBlobTarget, parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'
import { copyTo, writeTo } from '../write-out.ts'

type Got = Awaited<ReturnType<Keeping['get']>>

export const get: Command = {
  name: 'get',
  parameters: 'REF',
  options: {
    output: { short: 'o', value: 'FILE', help: 'Write it there instead of printing its path; "-" is standard output' },
    blob: { help: 'REF is a blob of a repository: REGISTRY/NAME@sha256:…' },
    ...jsonOption,
  },
  summary: 'Bring in an image, file or blob if need be; tell where it is, or write it out',
  more:
    'Of an image with a SIF inside, this is the SIF; of any other, the manifest, once everything it names is here. Of an\n' +
    'image of many platforms, the parts for this machine are brought in.\n' +
    'REF may be a metalink instead: a URL or file whose name ends in .meta4 or .metalink. Its file is fetched from the\n' +
    'places it names, best first, and checked; of several files, FILE is the folder they are written below.',
  async run(given, surroundings) {
    const { output, blob, json } = given.options
    const config = readSettings(given, surroundings)
    if (!blob && isDocument(given.words[0]!)) {
      await withKeeping(config, surroundings, (catalog, ask) => getFiles(catalog, given, surroundings, ask))
      return exitCodes.done
    }
    const target = (blob ? parseBlobTarget : parseTarget)(given.words[0]!, namesOf(config))
    // Written out while the store is ours, so that nothing removes it meanwhile.
    await withKeeping(config, surroundings, async (catalog, ask) => {
      const got = await catalog.get(target, ask)
      if (output === '-') await writeTo(surroundings.stdout, got.path, ask.signal)
      else if (typeof output === 'string') await copyTo(output, got.path)
      if (json && output !== '-') surroundings.stdout.write(printJson({ ...got, ...(output && { output }) }))
      else if (output === undefined) surroundings.stdout.write(`${got.path}\n`)
      if (output !== undefined && target.kind === 'manifest') noteManifest(got, surroundings)
    })
    return exitCodes.done
  },
}

/** Who wrote out an image and got a page of JSON should know why. */
function noteManifest({ mediaType }: Got, { stderr }: Surroundings): void {
  if (kindOf(mediaType) !== 'blob')
    stderr.write('Note: this is the manifest; what it names is in the store. "forebay inspect" lists it.\n')
}
