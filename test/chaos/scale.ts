import { MiB } from '../kit/blobs.ts'

/** How much goes wrong, and for how long. */
export interface Scale {
  readonly seconds: number
  readonly rightAtLeast: number // answers: it goes on until there were so many, and a kill
  readonly readers: number // at the same time
  readonly images: number // of registries, each of some blobs
  readonly files: number
  readonly libraryImages: number
  readonly quota: number // bytes, less than all of it takes
  readonly disk: number // bytes, of the file system where there is one of its own
  readonly killEveryMs: number // at most
  readonly pauseMs: number // between two mishaps, at most
}

export const long: Scale = {
  seconds: 120,
  rightAtLeast: 1_000,
  readers: 300,
  images: 40,
  files: 30,
  libraryImages: 20,
  quota: 90 * MiB,
  disk: 150 * MiB,
  killEveryMs: 8_000,
  pauseMs: 1_200,
}

/** What fits among other tests. */
export const short: Scale = {
  seconds: 7,
  rightAtLeast: 50,
  readers: 60,
  images: 8,
  files: 8,
  libraryImages: 5,
  quota: 20 * MiB,
  disk: 40 * MiB,
  killEveryMs: 3_000,
  pauseMs: 500,
}
