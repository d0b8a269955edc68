import { dirname, join } from 'node:path'
import { isFault } from '../model/fault.ts'
import { asPieces } from '../model/pieces.ts'
import { printReference } from '../model/reference.ts'
import { makeFolder, readSmallFile, removeFile, syncFolder, walk, writeDurably } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { openFile } from '../system/open-file.ts'
import type { Sidecars, TagPlace } from './blob-store.ts'
import {
  factsFile,
  nameFile,
  namesFolder,
  piecesFile,
  pinsFile,
  refsFolder,
  signatureFile,
  tagFile,
  tagPlaceAt,
} from './places.ts'
import {
  hasTimePlace,
  parseBlobFacts,
  parseNameFacts,
  parsePins,
  parseTagFacts,
  printBlobFacts,
  printNameFacts,
  printPins,
  printTagFacts,
  printTime,
  timePlace,
} from './sidecar-format.ts'
import { parseSignature, printSignature } from './signature-format.ts'

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

  /** Facts that are confirmed again and again, each in a file of its own. */
  function timed<At, Facts extends { readonly checkedAt: number }>(
    fileOf: (at: At) => string,
    parse: (text: string) => Facts | undefined,
    print: (facts: Facts) => string,
  ) {
    return {
      read: (path: string) => read(path, parse),
      write: async (at: At, facts: Facts) => write(fileOf(at), print(facts)),
      async touch(at: At, checkedAt: number) {
        const path = fileOf(at)
        if (await overwriteTime(path, checkedAt)) return
        const facts = await read(path, parse)
        if (facts) await write(path, print({ ...facts, checkedAt }))
      },
      async remove(at: At) {
        const path = fileOf(at)
        const isGone = await removeFile(path)
        if (isGone) await syncFolder(dirname(path))
        return isGone
      },
    }
  }

  const tags = timed((at: TagPlace) => tagFile(root, at), parseTagFacts, printTagFacts)
  const names = timed((key: string) => nameFile(root, key), parseNameFacts, printNameFacts)

  return {
    readBlob: (id) => read(factsFile(root, id), parseBlobFacts),
    writeBlob: (id, facts) => write(factsFile(root, id), printBlobFacts(facts)),
    async readPieces(id, size) {
      const hashes = await readSmallFile(piecesFile(root, id), piecesLimit)
      return hashes && asPieces(hashes, size)
    },
    writePieces: (id, { hashes }) => write(piecesFile(root, id), hashes),
    readSignature: (id) => read(signatureFile(root, id), parseSignature),
    writeSignature: (id, signature) => write(signatureFile(root, id), printSignature(signature)),
    removeSignature: (id) => removeFile(signatureFile(root, id)),
    writeTag: tags.write,
    touchTag: tags.touch,
    removeTag: tags.remove,
    async *tags() {
      for await (const name of walk(refsFolder(root))) {
        const at = tagPlaceAt(name)
        const facts = at && (await tags.read(join(refsFolder(root), name)))
        if (facts) yield [at, facts]
      }
    },
    readPins: async () => (await read(pinsFile(root), parsePins)) ?? [],
    writePins: (patterns) => write(pinsFile(root), printPins(patterns)),
    writeName: names.write,
    touchName: names.touch,
    removeName: names.remove,
    async *names() {
      for await (const name of walk(namesFolder(root))) {
        const facts = await names.read(join(namesFolder(root), name))
        if (facts) yield [printReference(facts.reference), facts]
      }
    },
  }
}
