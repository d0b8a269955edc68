import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { parseJournal } from '../../src/store/journal.ts'

/** Every regular file below, as paths relative to it, sorted. */
export async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort()
}

/** The verified blobs on disk, as digests. */
export async function blobsOn(store: string): Promise<readonly string[]> {
  const files = await filesBelow(join(store, 'blobs', 'sha256'))
  return files.flatMap((file) => (/^[0-9a-f]{64}$/.test(basename(file)) ? [`sha256:${basename(file)}`] : []))
}

/** Blobs whose bytes are not what their name says. */
export async function wrongBlobsOn(store: string): Promise<readonly string[]> {
  const root = join(store, 'blobs', 'sha256')
  const wrong: string[] = []
  for (const file of await filesBelow(root)) {
    if (!/^[0-9a-f]{64}$/.test(basename(file))) continue
    const actual = createHash('sha256')
      .update(await readFile(join(root, file)))
      .digest('hex')
    if (actual !== basename(file)) wrong.push(file)
  }
  return wrong
}

/** What is on its way in, or was left of it: journals are not counted. */
export async function spoolsOn(store: string): Promise<readonly string[]> {
  return (await filesBelow(join(store, 'spools'))).filter((file) => !file.endsWith('.journal'))
}

/** The file of a blob; throws where it is not held. */
export async function blobPath(store: string, digest: string): Promise<string> {
  const root = join(store, 'blobs', 'sha256')
  const hex = digest.slice('sha256:'.length)
  const file = (await filesBelow(root)).find((file) => basename(file) === hex)
  if (file === undefined) throw new Error(`${digest} is not on disk`)
  return join(root, file)
}

export async function isHeld(store: string, digest: string): Promise<boolean> {
  return (await blobsOn(store)).includes(digest)
}

/** Settles once the blob is on disk. Its appearing is an event of the file system: looked for in small steps. */
export async function untilHeld(store: string, digest: string, ms = 30_000): Promise<void> {
  await until(() => isHeld(store, digest), `${digest} on disk`, ms)
}

/** Settles once so many bytes of what is on its way in are recorded as written, and so not lost by a kill. */
export async function untilRecorded(store: string, bytes: number): Promise<void> {
  const root = join(store, 'spools')
  const recorded = async () => {
    const journals = (await filesBelow(root)).filter((file) => file.endsWith('.journal'))
    const texts = await Promise.all(journals.map((file) => readFile(join(root, file), 'utf8').catch(() => '')))
    return texts.flatMap((text) => parseJournal(text)?.state.held ?? []).reduce((sum, { start, end }) => sum + end - start, 0)
  }
  await until(async () => (await recorded()) >= bytes, `${bytes} bytes in a journal`)
}

/** Looks again and again, for what no event tells a test. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string, ms = 30_000): Promise<void> {
  for (const end = Date.now() + ms; !(await isTrue()); await new Promise((go) => setTimeout(go, 20))) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}`)
  }
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size
}
