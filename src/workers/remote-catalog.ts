import type { Opened, Resolved, Serving } from '../catalog/catalog.ts'
import type { Listed } from '../mirrors/mirrors.ts'
import { blobOf } from '../model/artifact.ts'
import { memorySource } from '../model/byte-source.ts'
import { type Digest, isStrong } from '../model/digest.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, isDigest, type ManifestReference, printReference, type Reference } from '../model/reference.ts'
import { createBlocks } from '../system/blocks.ts'
import type { Channel } from '../system/channel.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { createFiles } from './files.ts'
import { remoteBytes } from './remote-bytes.ts'
import { asked, askerOf, type News, plain, type Shown } from './wire.ts'

export interface RemoteCatalog extends Serving {
  /** What the other process tells of its own accord. */
  hear(news: News): void
  close(): void
}

type InMemory = ReturnType<typeof memorySource>

const usedEveryMs = 1_000
const blocksKept = 32 // of 1 MiB
const entryOverhead = 512 // bytes

/**
 * The catalog of another process. Small things that were asked for by digest are kept here, for as long as it does not say that
 * any of them may be gone.
 */
export function createRemoteCatalog(
  channel: Channel,
  { maxBytes, news: first }: { maxBytes: number; news: News },
): RemoteCatalog {
  const blocks = createBlocks(blocksKept)
  const files = createFiles(blocks.forget)
  const known = createMemoryCache<Digest, InMemory>({ maxBytes, sizeOf: ({ bytes }) => bytes.length + entryOverhead })
  const atOnce = createMemoryCache<string, Opened>({ maxEntries: 20_000 })
  const places = createMemoryCache<string, { readonly listed: readonly Listed[] }>({ maxEntries: 10_000 })
  const keys = new WeakMap<Reference, string>() // whoever asks for hits keeps its references
  const used = new Map<string, Reference>()
  let news = first
  const timer = setInterval(tellUsed, usedEveryMs)
  timer.unref()

  /** What is used here would be let go of there as what nobody wants. */
  function tellUsed(): void {
    if (used.size > 0) channel.tell('used', [...used.values()])
    used.clear()
  }

  function keyOf(reference: Reference): string {
    const known = keys.get(reference)
    if (known !== undefined) return known
    const key = printReference(reference)
    keys.set(reference, key)
    return key
  }

  function noted<T extends Resolved & { readonly places: readonly Listed[] }>({ places: listed, ...resolved }: T) {
    const { artifact } = resolved
    const blob = artifact.size === undefined ? undefined : blobOf(artifact)
    if (blob) places.set(`${printReference(blob)} ${artifact.size}`, { listed })
    return resolved
  }

  async function open(reference: Reference, ask: Ask): Promise<Opened> {
    const digest = digestOf(reference)
    const mine = digest && known.get(digest)
    const shown = await channel.call<Shown>('open', [reference, mine !== undefined, askerOf(ask)], ask.signal)
    const { bytes: here, handle, path: _, size: __, hitsVersion, ...rest } = noted(shown)
    const bytes =
      here === undefined ? remoteBytes({ channel, files, blocks }, shown) : here === 'known' ? mine! : memorySource(ownOf(here))
    const opened: Opened = { ...rest, bytes }
    if (ask.signal.aborted) await bytes[Symbol.asyncDispose]()
    ask.signal.throwIfAborted()
    if (here === undefined || !digest) return opened
    known.set(digest, bytes as InMemory)
    // Where it is still on its way to the disk it is no hit, and told of as what it is. What was removed since it was opened
    // may have been known to be gone before it came here.
    const isHit = reference.kind === 'manifest' && opened.outcome.kind === 'hit' && hitsVersion === news.hitsVersion
    if (isHit) atOnce.set(printReference(reference), opened)
    return opened
  }

  const ask =
    (name: string) =>
    (...args: readonly unknown[]) => {
      const asking = args.at(-1) as Ask
      return channel.call(name, [...args.slice(0, -1), askerOf(asking)], asking.signal)
    }
  const asking = Object.fromEntries(asked.map((name) => [name, ask(name)])) as Pick<Serving, (typeof asked)[number]>
  const questions = Object.fromEntries(
    plain.map((name) => [name, (...args: readonly unknown[]) => channel.call(name, args)]),
  ) as Pick<Serving, (typeof plain)[number]>

  return {
    ...asking,
    ...questions,
    resolve: async (reference, ask) => noted((await asking.resolve(reference, ask)) as Resolved & { places: readonly Listed[] }),
    open,
    openAtOnce(reference) {
      const key = keyOf(reference)
      const opened = atOnce.get(key)
      if (opened) used.set(key, reference)
      return opened
    },
    places: (reference, size) => places.get(`${printReference(reference)} ${size}`)?.listed ?? [],
    get isSigning() {
      return news.isSigning
    },
    get linksVersion() {
      return news.linksVersion
    },
    get hitsVersion() {
      return news.hitsVersion
    },
    hear(next) {
      if (next.hitsVersion !== news.hitsVersion) {
        atOnce.clear()
        files.forget()
      }
      news = next
    },
    close: () => clearInterval(timer),
  }
}

/** What comes in a message is a part of it: one small thing that is kept would keep all of that. */
function ownOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/** Whose bytes are the same for good. */
function digestOf(reference: Reference): Digest | undefined {
  if (reference.kind === 'blob') return strong((reference as BlobReference).digest)
  const { pointer } = reference as ManifestReference
  return reference.kind === 'manifest' && isDigest(pointer) ? strong(pointer) : undefined
}

function strong(digest: Digest): Digest | undefined {
  return isStrong(digest) ? digest : undefined
}
