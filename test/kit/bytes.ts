import type { ByteSource } from '../../src/model/byte-source.ts'
import { asBlobId, type BlobId, type Digest } from '../../src/model/digest.ts'
import { Fault, type FaultCode } from '../../src/model/fault.ts'
import type { BlobStore, StoredBlob } from '../../src/store/blob-store.ts'
import type { Content } from './blobs.ts'

export const calm = new AbortController().signal

/** Reads a source to its end in steps that do not fit it. */
export async function collect(source: ByteSource, step = 50_000): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const buffer = Buffer.alloc(step)
    const count = await source.read(buffer, at, calm)
    if (count === 0) return Buffer.concat(parts)
    parts.push(buffer.subarray(0, count))
    at += count
  }
}

export function idOf(content: Pick<Content, 'digest'>): BlobId {
  const id = asBlobId(content.digest)
  if (!id) throw new Error(`${content.digest} is no sha256`)
  return id
}

export async function put(store: Pick<BlobStore, 'stage'>, content: Content, key: string = content.digest): Promise<StoredBlob> {
  await using spool = await store.stage(key, content.bytes.length)
  if (content.bytes.length > 0) await spool.write(0, [content.bytes])
  return await spool.commit(idOf(content))
}

/** The bytes of a held blob; undefined where it is not. */
export async function bytesOf(store: Pick<BlobStore, 'open'>, digest: Digest): Promise<Buffer | undefined> {
  const source = await store.open(digest as BlobId)
  if (!source) return undefined
  await using opened = source
  return await collect(opened)
}

/** The code of the fault that this ends with; undefined where it ends well. Anything that is no fault is thrown on. */
export async function faultOf(work: Promise<unknown> | (() => unknown)): Promise<FaultCode | undefined> {
  try {
    await (typeof work === 'function' ? work() : work)
    return undefined
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}
