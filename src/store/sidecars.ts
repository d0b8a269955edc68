import { dirname, join } from 'node:path'
import { isFault } from '../model/fault.ts'
import { asPieces } from '../model/pieces.ts'
import { makeFolder, readSmallFile, removeFile, syncFolder, walk, writeDurably } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { openFile } from '../system/open-file.ts'
import type { Sidecars, TagPlace } from './blob-store.ts'
import { factsFile, piecesFile, refsFolder, tagFile, tagPlaceAt } from './places.ts'
import {
  hasTimePlace,
  parseBlobFacts,
  parseTagFacts,
  printBlobFacts,
  printTagFacts,
  printTime,
  timePlace,
} from './sidecar-format.ts'

const limit = 1024 * 1024 // bytes of one file
const piecesLimit = 16 * 1024 * 1024

/** Facts as small JSON files in the folder of a disk store. A damaged one is logged and as good as absent. */
export function createSidecars({ path: root, log }: { readonly path: string; readonly log: Logger }): Sidecars {
  async function read<Facts>(path: string, parse: (text: string) => Facts | undefined): Promise<Facts | undefined> {
    try {
      const text = await readSmallFile(path, limit)
      if (text === undefined) return undefined
      const facts = parse(text.toString())
      if (!facts) log.warn('sidecar.damaged', { path })
      return facts
    } catch (error) {
      if (!isFault(error, 'too-large', 'disk-failed')) throw error
      log.warn('sidecar.damaged', { path, error })
      return undefined
    }
  }

  async function write(path: string, text: string | Uint8Array): Promise<void> {
    await makeFolder(dirname(path))
    await writeDurably(path, text)
  }

  async function writeTag(at: TagPlace, facts: Parameters<Sidecars['writeTag']>[1]): Promise<void> {
    await write(tagFile(root, at), printTagFacts(facts))
  }

  /** False when the file is not laid out as we write it. */
  async function overwriteTime(path: string, checkedAt: number): Promise<boolean> {
    const file = await openFile(path, 'write')
    if (!file) return true
    try {
      const head = Buffer.alloc(timePlace.prefix.length + timePlace.width + 1)
      await file.read(head, head.length, 0)
      if (!hasTimePlace(head.toString('latin1'))) return false
      await file.write([Buffer.from(printTime(checkedAt))], timePlace.prefix.length)
      return true
    } finally {
      await file.close()
    }
  }

  return {
    readBlob: (id) => read(factsFile(root, id), parseBlobFacts),
    writeBlob: (id, facts) => write(factsFile(root, id), printBlobFacts(facts)),
    async readPieces(id, size) {
      const hashes = await readSmallFile(piecesFile(root, id), piecesLimit)
      return hashes && asPieces(hashes, size)
    },
    writePieces: (id, { hashes }) => write(piecesFile(root, id), hashes),
    writeTag,
    async touchTag(at, checkedAt) {
      const path = tagFile(root, at)
      if (await overwriteTime(path, checkedAt)) return
      const facts = await read(path, parseTagFacts)
      if (facts) await writeTag(at, { ...facts, checkedAt })
    },
    async removeTag(at) {
      const path = tagFile(root, at)
      const isGone = await removeFile(path)
      if (isGone) await syncFolder(dirname(path))
      return isGone
    },
    async *tags() {
      for await (const name of walk(refsFolder(root))) {
        const at = tagPlaceAt(name)
        const facts = at && (await read(join(refsFolder(root), name), parseTagFacts))
        if (facts) yield [at, facts]
      }
    },
  }
}
