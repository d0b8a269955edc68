import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { BlobStore } from '../../../src/store/blob-store.ts'
import { type Content, MiB, blob as makeBlob } from '../../kit/blobs.ts'
import { filesBelow } from '../../kit/disk.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

export interface StorePlace {
  readonly path: string
  readonly bootId: string
  readonly clock: HandClock
}

export type OpenStore = (at: StorePlace) => Promise<BlobStore>

/** A store in a folder of its own, anew for each test. */
export interface StoreBench {
  readonly small: Content
  readonly large: Content
  readonly both: readonly { readonly kind: string; readonly content: Content }[]
  readonly folder: TempFolder
  readonly clock: HandClock
  store: BlobStore
  openAt(path: string, bootId?: string): Promise<BlobStore>
  reopen(): Promise<void>
  spoolFiles(): Promise<readonly string[]>
  blobFiles(): Promise<readonly string[]>
  gather<T>(all: AsyncIterable<T>): Promise<T[]>
  /** A deep comparison of megabytes would take seconds. */
  expectBytes(actual: Buffer | undefined, expected: Buffer): void
}

/** To be made inside a `describe`. */
export function createBench(open: OpenStore): StoreBench {
  const small = makeBlob(20_000, 'small')
  const large = makeBlob(3 * MiB + 7, 'large')
  let folder: TempFolder
  let clock: HandClock
  let store: BlobStore
  const openAt = (path: string, bootId = 'boot-1') => open({ path, bootId, clock })

  beforeEach(async () => {
    folder = await tempFolder()
    clock = createHandClock()
    store = await openAt(folder.path)
  })
  afterEach(async () => {
    await store.close()
    await folder[Symbol.asyncDispose]()
  })

  return {
    small,
    large,
    both: [
      { kind: 'a small blob', content: small },
      { kind: 'a large blob', content: large },
    ],
    get folder() {
      return folder
    },
    get clock() {
      return clock
    },
    get store() {
      return store
    },
    set store(other) {
      store = other
    },
    openAt,
    async reopen() {
      await store.close()
      store = await openAt(folder.path)
    },
    spoolFiles: () => filesBelow(join(folder.path, 'spools')),
    blobFiles: () => filesBelow(join(folder.path, 'blobs')),
    async gather(all) {
      const found = []
      for await (const one of all) found.push(one)
      return found
    },
    expectBytes(actual, expected) {
      expect({ size: actual?.length, isSame: actual?.equals(expected) }).toEqual({ size: expected.length, isSame: true })
    },
  }
}
