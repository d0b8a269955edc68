import { type BlobId, hexOf } from '../model/digest.ts'
import { walk } from '../system/files.ts'
import { blobIdAt, blobsFolder, fileBesideAt } from './places.ts'

const folders = 256

/**
 * The blobs on disk in the order of their digests, after the one that is named. One folder after the other, so that what is
 * in memory of the names is little of all. `widowed` is told of what lies beside a blob that is not there.
 */
export async function* walkBlobs(
  root: string,
  after: BlobId | undefined,
  widowed: (id: BlobId) => Promise<void> = async () => {},
): AsyncIterable<BlobId> {
  const first = after === undefined ? 0 : Number.parseInt(hexOf(after).slice(0, 2), 16)
  for (let at = first; at < folders; at++) {
    const ids = new Set<BlobId>()
    const beside = new Set<BlobId>()
    for await (const name of walk(blobsFolder(root), at.toString(16).padStart(2, '0'))) {
      const id = blobIdAt(name)
      if (id) ids.add(id)
      const its = fileBesideAt(name)
      if (its) beside.add(its)
    }
    for (const id of beside) if (!ids.has(id)) await widowed(id)
    for (const id of [...ids].sort()) if (after === undefined || id > after) yield id
  }
}
