import { parseMetalink } from '../formats/metalink.ts'
import { type ForeignFile, metalink4Type } from '../formats/metalink-document.ts'
import { metalinkLimits } from '../formats/metalink-xml.ts'
import { algorithmOf } from '../model/digest.ts'
import { isFault } from '../model/fault.ts'
import { redactUrl } from '../system/redact.ts'
import { isAboutOthers, nameOf, type Word } from './checksums-beside.ts'
import { inTime } from './in-time.ts'
import { statusFault } from './oci-session.ts'
import type { WebSession } from './web-session.ts'

const patienceMs = 10_000

export interface FileMetalink {
  /** Its word for the bytes, if it has a strong one. */
  readonly word: Word | undefined
}

/** Where the metalink of a file is. */
export function metalinkUrl(file: URL): URL {
  return new URL(`${file.href}.meta4`)
}

/**
 * The metalink beside a file. One that cannot be read, or is about other bytes by its size, is as good as none.
 *
 * @param size of the file in bytes, where it is known
 * @throws Fault 'upstream-…', 'source-cut' where it cannot be told now whether there is one
 */
export async function metalinkBeside(
  session: WebSession,
  file: URL,
  size: number | undefined,
  signal: AbortSignal,
): Promise<FileMetalink | undefined> {
  const name = nameOf(file)
  if (isAboutOthers(name)) return undefined
  const url = metalinkUrl(file)
  const about = await inTime(url, patienceMs, signal, (limited) => ask(session, url, name, limited))
  if (!about || (about.size !== undefined && size !== undefined && about.size !== size)) return undefined
  const digest = ['sha256', 'sha512'].flatMap((wanted) => about.digests.filter((one) => algorithmOf(one) === wanted))[0]
  return { word: digest && { digest, from: redactUrl(url) } }
}

async function ask(session: WebSession, url: URL, name: string, signal: AbortSignal): Promise<ForeignFile | undefined> {
  const answer = await session.ask('GET', url, signal, { accept: metalink4Type })
  if (answer.status !== 200) {
    await answer.discard()
    if (answer.status === 429) throw statusFault(answer)
    return undefined
  }
  try {
    const { files } = parseMetalink(await answer.bytes(metalinkLimits.bytes), redactUrl(url))
    return files.length === 1 ? files[0] : files.find((one) => one.name.split('/').at(-1) === name)
  } catch (error) {
    if (isFault(error, 'upstream-invalid', 'too-large')) return undefined
    throw error
  }
}
