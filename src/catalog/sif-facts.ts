import { fingerprintsOf, isEncrypted, isSigned, readSif, type SifImage } from '../formats/sif.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import { openFile } from '../system/open-file.ts'
import type { SifFacts } from './catalog.ts'

/** Undefined for a blob that is no SIF file, or one that makes no sense. Does not count as a use. @throws Fault 'disk-failed' */
export async function sifFactsOf({ path, size }: Pick<StoredBlob, 'path' | 'size'>): Promise<SifFacts | undefined> {
  const file = await openFile(path, 'read')
  if (!file) return undefined
  try {
    const image = await readSif(async (offset, length) => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)))
      const count = bytes.length > 0 ? await file.read(bytes, bytes.length, offset) : 0
      if (count < bytes.length)
        throw new Fault('disk-failed', { path, why: `it ends at ${offset + count} and was ${size} bytes` })
      return bytes
    }, size)
    return image && factsOf(image)
  } catch (error) {
    if (isFault(error, 'upstream-invalid')) return undefined
    throw error
  } finally {
    await file.close()
  }
}

function factsOf(image: SifImage): SifFacts {
  return {
    arch: image.arch,
    createdAt: image.createdAt,
    isSigned: isSigned(image),
    fingerprints: fingerprintsOf(image),
    isEncrypted: isEncrypted(image),
    partitions: image.objects.flatMap((object) => {
      if (object.kind !== 'partition') return []
      const { id, role, fileSystem, arch, size } = object
      return { id, role, fileSystem, arch, size }
    }),
  }
}
