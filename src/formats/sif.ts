import { intAt, invalidSif, latin1, textAt, timeAt, uuidOf, viewOf } from './sif-bytes.ts'
import { descriptorAt, headerAt, sifLaunchLine, sifMagic } from './sif-layout.ts'
import { archAt, type FileSystem, kindOf, type ReadAt, readObject, type SifObject } from './sif-objects.ts'

/** What the header and the table of a SIF file say. Nobody has vouched for any of it. */
export interface SifImage {
  readonly isRunnable: boolean // a kernel that is asked to run the file finds the right interpreter
  readonly arch: string | undefined // of the primary partition, as Go names it
  readonly id: string // a UUID, of zeros in reproducible files
  readonly createdAt: number | undefined // epoch ms; reproducible files have no times
  readonly modifiedAt: number | undefined // likewise
  readonly objects: readonly SifObject[] // in the order of the table
}

const mostDescriptors = 1024
const mostSignatures = 64
const newestVersion = '01'

/**
 * Reads what a SIF file says of itself: its header, its table, and the start of each signature; at most some 600 KiB.
 *
 * @param size of the file in bytes, where it is known
 * @returns undefined for what is no SIF file
 * @throws Fault 'upstream-invalid' for one that is cut or makes no sense
 */
export async function readSif(readAt: ReadAt, size?: number): Promise<SifImage | undefined> {
  const header = await readAt(0, headerAt.end)
  if (header.length < headerAt.end || latin1(header, headerAt.magic, headerAt.version) !== sifMagic) return undefined
  const version = textAt(header, headerAt.version, headerAt.arch)
  if (version > newestVersion) throw invalidSif(`it is of version ${JSON.stringify(version)}`)
  const view = viewOf(header)
  const table = await readTable(readAt, intAt(view, headerAt.table), intAt(view, headerAt.descriptors))
  const objects: SifObject[] = []
  for (const raw of table) objects.push(await readObject(raw, readAt, size))
  return {
    isRunnable: latin1(header, headerAt.launch, headerAt.launch + sifLaunchLine.length) === sifLaunchLine,
    arch: archAt(header, headerAt.arch),
    id: uuidOf(header.subarray(headerAt.id, headerAt.created)),
    createdAt: timeAt(view, headerAt.created),
    modifiedAt: timeAt(view, headerAt.modified),
    objects,
  }
}

/** Is anything in it signed? Whether rightly is for those to say who know the keys. */
export function isSigned(image: SifImage): boolean {
  return image.objects.some(({ kind }) => kind === 'signature')
}

/** Is there a file system in it that needs a key to be read? */
export function isEncrypted(image: SifImage): boolean {
  const needKey: readonly FileSystem[] = ['encrypted-squashfs', 'gocryptfs-squashfs']
  return image.objects.some((object) => object.kind === 'partition' && needKey.includes(object.fileSystem))
}

/** Of the keys that claim to have signed it, each once. */
export function fingerprintsOf(image: SifImage): readonly string[] {
  const all = image.objects.flatMap((object) => (object.kind === 'signature' ? (object.fingerprint ?? []) : []))
  return [...new Set(all)]
}

async function readTable(readAt: ReadAt, offset: number, count: number): Promise<readonly Uint8Array[]> {
  if (count > mostDescriptors) throw invalidSif(`it has room for ${count} objects, and at most ${mostDescriptors} are read`)
  const length = count * descriptorAt.end
  const bytes = length > 0 ? await readAt(offset, length) : new Uint8Array()
  if (bytes.length < length) throw invalidSif('it ends within its table of objects')
  const all = Array.from({ length: count }, (_, at) => bytes.subarray(at * descriptorAt.end, (at + 1) * descriptorAt.end))
  const used = all.filter((raw) => raw[descriptorAt.used] !== 0)
  const signatures = used.filter((raw) => kindOf(raw) === 'signature').length
  if (signatures > mostSignatures) throw invalidSif(`it has ${signatures} signatures, and at most ${mostSignatures} are read`)
  return used
}
