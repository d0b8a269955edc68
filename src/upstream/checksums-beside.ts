import { type Checksum, checksumOf, parseChecksums } from '../formats/checksums.ts'
import type { Validators } from '../model/artifact.ts'
import { type Digest, isStrong } from '../model/digest.ts'
import { type Fault, isFault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createPlaces, type Places } from '../system/places.ts'
import { redactUrl } from '../system/redact.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import { conditionsFor, validatorsOf } from './body-answer.ts'
import { inTime } from './in-time.ts'
import { statusFault } from './oci-session.ts'
import type { WebSession } from './web-session.ts'

/** Somebody's word for what the bytes of a file are to be. */
export interface Word {
  readonly digest: Digest
  readonly from: string // for people
}

/** Files of checksums that lie beside the files they are about. */
export interface ChecksumsBeside {
  /**
   * @param isNew nothing was ever heard of the file: what is remembered of its folder will do
   * @returns undefined where there is none, or none that is strong
   * @throws Fault 'upstream-…', 'source-cut' where that cannot be told now
   */
  find(file: URL, isNew: boolean, signal: AbortSignal): Promise<Word | undefined>
}

const ofOne = ['.sha256', '.sha512'] as const // after the name of the file
const ofMany = ['SHA256SUMS', 'SHA256SUMS.txt', 'sha256sum.txt'] as const
const mostBytes = { ofOne: 64 * 1024, ofMany: 8 * 1024 * 1024 } as const
const rememberedMs = 5 * 60_000
const failingMs = 30_000 // for so long a folder that could not be asked is left alone
const enoughWithout = 4 // files of a folder that have none of their own: the next is not asked for one
const atOnce = 4 // questions about one folder, as the first answers may make the others needless
const patienceMs = 10_000
const bytesKept = 32 * 1024 * 1024

interface Folder {
  readonly places: Places
  readonly habits: Readonly<Record<(typeof ofOne)[number], { without: number; isUsual: boolean }>>
  trouble: { readonly fault: Fault; readonly until: number } | undefined
}

interface KnownList {
  readonly checksums: readonly Checksum[] // none: it is not there, or says nothing
  readonly validators: Validators
  readonly bytes: number
}

const nothing: KnownList = { checksums: [], validators: {}, bytes: 0 }

/** What a folder has is remembered for some minutes, so that a thousand files of it cost few questions. */
export function createChecksumsBeside(session: WebSession, clock: Pick<Clock, 'now'>): ChecksumsBeside {
  const folders = createMemoryCache<string, Folder>({ maxEntries: 5_000, ttlMs: rememberedMs, clock })
  const lists = createMemoryCache<string, KnownList>({
    maxBytes: bytesKept,
    sizeOf: ({ bytes }) => 500 + 3 * bytes,
    ttlMs: rememberedMs,
    clock,
  })
  const flights = createSingleFlight<string, KnownList>()

  function folderOf(file: URL): Folder {
    const { href } = new URL('.', file)
    const habit = () => ({ without: 0, isUsual: false })
    const folder = folders.get(href) ?? {
      places: createPlaces(atOnce),
      habits: { '.sha256': habit(), '.sha512': habit() },
      trouble: undefined,
    }
    if (!folders.get(href)) folders.set(href, folder)
    return folder
  }

  /** @throws Fault where it may be there and cannot be had now */
  async function ask(url: URL, limit: number, known: KnownList, signal: AbortSignal): Promise<KnownList> {
    const answer = await session.ask('GET', url, signal, conditionsFor(known.validators))
    if (answer.status === 200) {
      const body = Buffer.from(await answer.bytes(limit))
      return { checksums: parseChecksums(body.toString()), validators: validatorsOf(answer), bytes: body.length }
    }
    await answer.discard()
    if (answer.status === 304) return known
    if (answer.status === 429) throw statusFault(answer)
    return nothing
  }

  async function listOrNothing(url: URL, limit: number, known: KnownList, signal: AbortSignal): Promise<KnownList> {
    try {
      return await inTime(url, patienceMs, signal, (limited) => ask(url, limit, known, limited))
    } catch (error) {
      if (isFault(error, 'too-large', 'outbound-blocked', 'upstream-invalid')) return nothing
      throw error
    }
  }

  /** What was there before may be of the files as they were then. */
  async function listAt(url: URL, isNew: boolean, signal: AbortSignal): Promise<KnownList> {
    const known = lists.get(url.href)
    if (known && (isNew || known.checksums.length === 0)) return known
    const { value } = await flights.run(url.href, signal, async (shared) => {
      const list = await listOrNothing(url, mostBytes.ofMany, known ?? nothing, shared)
      lists.set(url.href, list)
      return list
    })
    return value
  }

  async function inOwn(file: URL, name: string, { habits }: Folder, signal: AbortSignal): Promise<Word | undefined> {
    for (const suffix of ofOne) {
      const habit = habits[suffix]
      if (!habit.isUsual && habit.without >= enoughWithout) continue
      const url = new URL(file.href + suffix)
      const { checksums } = await listOrNothing(url, mostBytes.ofOne, nothing, signal)
      if (checksums.length > 0) habit.isUsual = true
      else habit.without++
      const word = wordIn(checksums, name, url)
      if (word) return word
    }
    return undefined
  }

  async function inLists(file: URL, name: string, isNew: boolean, signal: AbortSignal): Promise<Word | undefined> {
    for (const list of ofMany) {
      const url = new URL(list, file)
      const word = wordIn((await listAt(url, isNew, signal)).checksums, name, url)
      if (word) return word
    }
    return undefined
  }

  return {
    async find(file, isNew, signal) {
      const name = nameOf(file)
      if (isAboutOthers(name)) return undefined
      const folder = folderOf(file)
      const leave = await folder.places.enter(signal)
      try {
        if (folder.trouble && folder.trouble.until > clock.now()) throw folder.trouble.fault
        return (await inOwn(file, name, folder, signal)) ?? (await inLists(file, name, isNew, signal))
      } catch (error) {
        if (isFault(error) && error !== folder.trouble?.fault) folder.trouble = { fault: error, until: clock.now() + failingMs }
        throw error
      } finally {
        leave()
      }
    },
  }
}

function wordIn(checksums: readonly Checksum[], name: string, url: URL): Word | undefined {
  const digest = checksumOf(checksums, name)
  return isStrong(digest) ? { digest, from: redactUrl(url) } : undefined
}

/** The last part of its path, as its folder has it. */
export function nameOf({ pathname }: URL): string {
  const last = pathname.slice(pathname.lastIndexOf('/') + 1)
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

/** A folder, a file of checksums, a signature or a metalink: nobody keeps a checksum of those. */
export function isAboutOthers(name: string): boolean {
  return name === '' || /\.(?:sha\d+|md5|asc|sig|meta4|metalink)$|^(?:sha\d+|md5)sums?(?:\.txt)?$/i.test(name)
}
