import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { GotFile, Keeping } from '../catalog/catalog.ts'
import { mistakeInForeignName } from '../formats/metalink-names.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { fileFault, isCode } from '../system/files.ts'
import type { Given, Surroundings } from './command.ts'
import { readDocument } from './document.ts'
import { printJson } from './print.ts'
import { copyTo, writeTo } from './write-out.ts'

/** `forebay get` of a metalink: one file to where `-o` says, several below it. @throws Fault */
export async function getFiles(
  catalog: Keeping,
  { words: [word = ''], options: { output, json } }: Given,
  { stdout }: Surroundings,
  ask: Ask,
): Promise<void> {
  const got = await catalog.getFiles(await readDocument(word), ask)
  if (typeof output !== 'string') stdout.write(json ? printJson(got) : got.map(({ path }) => `${path}\n`).join(''))
  else if (output === '-') await writeTo(stdout, only(got).path, ask.signal)
  else {
    const written = await writeBelow(output, got)
    if (json) stdout.write(printJson(written))
  }
}

/** @throws Fault 'request-invalid' */
function only(got: readonly GotFile[]): GotFile {
  if (got.length === 1) return got[0]!
  throw new Fault('request-invalid', { what: '-o -', why: `the metalink describes ${got.length} files; say a folder for them` })
}

async function writeBelow(output: string, got: readonly GotFile[]): Promise<readonly (GotFile & { readonly output: string })[]> {
  const written: (GotFile & { readonly output: string })[] = []
  for (const file of got) {
    const to = got.length === 1 ? output : await placeBelow(output, file.name)
    await copyTo(to, file.path)
    written.push({ ...file, output: to })
  }
  return written
}

/** Where a file of that name stands below the folder, which is made; never outside, also not by way of a link. @throws Fault */
async function placeBelow(folder: string, name: string): Promise<string> {
  const refused = (why: string) => new Fault('request-invalid', { what: `a file named ${JSON.stringify(name)}`, why })
  const mistake = mistakeInForeignName(name)
  if (mistake) throw refused(`its name ${mistake}`)
  let at = folder
  try {
    await mkdir(folder, { recursive: true })
    for (const part of name.split('/').slice(0, -1)) {
      at = join(at, part)
      await mkdir(at).catch(unlessThere)
      if (!(await lstat(at)).isDirectory()) throw refused(`${at} is there and is no folder`)
    }
  } catch (error) {
    throw fileFault(error, at)
  }
  return join(folder, name)
}

function unlessThere(error: unknown): void {
  if (!isCode(error, 'EEXIST')) throw error
}
