import { hexOfBytes, KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { createDice, type Dice } from '../kit/dice.ts'
import type { FakeUpstream } from '../kit/fake-upstream.ts'
import type { FakeFiles } from '../kit/files-upstream.ts'
import { image } from '../kit/images.ts'
import type { FakeLibrary } from '../kit/library-upstream.ts'
import { lab } from '../kit/world.ts'
import type { Scale } from './scale.ts'

/** One thing that clients ask for. */
export interface Item {
  readonly path: string // at the server
  readonly kind: 'blob' | 'manifest' | 'tag' | 'image' | 'file'
  readonly versions: readonly Buffer[] // what it means now, meant or will mean
  /** Which of them its places have. */
  now: number
  /** Its places lie about it at times: wrong bytes of it can be told from right ones. */
  readonly isLiedAbout: boolean
  /** Its places have another version from now on; undefined where there is one. */
  readonly change?: () => void
}

/** Where all of it is, and by which path the places are asked for which. */
export interface Contents {
  readonly items: readonly Item[]
  /** What a place is asked for. */
  at(path: string): Item | undefined
}

export interface Shops {
  readonly registries: readonly FakeUpstream[]
  readonly library: FakeLibrary
  readonly files: FakeFiles
}

const repositories = ['tools/alpha', 'tools/beta', 'data/gamma']

/** The same for the same seed, in all places. */
export function stock(scale: Scale, seed: number, shops: Shops): Contents {
  const index = new Map<string, Item>()
  const dice = createDice(`contents ${seed}`)
  const items = [
    ...stockRegistries(scale, seed, dice, shops.registries, index),
    ...stockFiles(scale, seed, dice, shops.files, index),
    ...stockLibrary(scale, seed, dice, shops.library, index),
  ]
  return { items: dice.shuffled(items), at: (path) => index.get(path) }
}

/** Many small ones, a few that take long. */
function sizeOf(dice: Dice): number {
  const [least, most] = dice.pick([
    ...Array<[number, number]>(10).fill([1, 60 * KiB]),
    ...Array<[number, number]>(6).fill([100 * KiB, 1200 * KiB]),
    ...Array<[number, number]>(3).fill([1200 * KiB, 6 * MiB]),
    [10 * MiB, 18 * MiB],
  ])
  return least + dice.below(most - least)
}

function stockRegistries(
  { images }: Scale,
  seed: number,
  dice: Dice,
  places: readonly FakeUpstream[],
  index: Map<string, Item>,
): Item[] {
  const items: Item[] = []
  const add = (path: string, item: Omit<Item, 'path' | 'now'>): Item => {
    const made = { ...item, path: `/v2/${lab}/${path}`, now: 0 }
    items.push(made)
    index.set(`/v2/${path}`, made)
    return made
  }

  function tagged(repository: string, tag: string, at: number): void {
    const isLiedAbout = at % 2 === 0
    const versions = [0, 1].map((version) =>
      image({ seed: `${seed} ${at} ${version}`, layers: Array.from({ length: 1 + dice.below(4) }, () => sizeOf(dice)) }),
    )
    for (const { manifest, blobs } of versions) {
      add(`${repository}/manifests/${manifest.digest}`, { kind: 'manifest', versions: [manifest.bytes], isLiedAbout })
      for (const { digest, bytes } of blobs)
        add(`${repository}/blobs/${digest}`, { kind: 'blob', versions: [bytes], isLiedAbout })
    }
    const push = (version: number) => {
      for (const place of places) place.push(repository, versions[version]!, tag)
    }
    const item: Item = add(`${repository}/manifests/${tag}`, {
      kind: 'tag',
      versions: versions.map(({ manifest }) => manifest.bytes),
      isLiedAbout,
      change() {
        item.now = 1 - item.now
        push(item.now)
      },
    })
    push(1)
    push(0)
  }

  for (let at = 0; at < images / 2; at++) tagged(dice.pick(repositories), `v${at}`, at)
  return items
}

function stockFiles({ files }: Scale, seed: number, dice: Dice, place: FakeFiles, index: Map<string, Item>): Item[] {
  return Array.from({ length: files }, (_, at) => {
    const kind = (['told', 'plain', 'changing'] as const)[at % 3]!
    const name = `${kind}/${at}.sif`
    const size = sizeOf(dice)
    const bytesOf = (version: number) => seededBytes(size, `${seed} file ${at} ${version}`)
    const versions = kind === 'changing' ? [bytesOf(0), bytesOf(1), bytesOf(2)] : [bytesOf(0)]
    const put = (version: number) => place.put(name, versions[version]!)
    const item: Item = {
      path: `/files/data/${name}`,
      kind: 'file',
      versions,
      now: 0,
      isLiedAbout: false, // while its checksum cannot be asked for, a file is served without
      ...(kind === 'changing' && {
        change() {
          item.now = (item.now + 1) % versions.length
          put(item.now)
        },
      }),
    }
    put(0)
    if (kind === 'told') place.put(`${name}.sha256`, `${hexOfBytes(versions[0]!)}  ${at}.sif\n`)
    for (const base of ['pub', 'copy']) index.set(`/${base}/${name}`, item)
    return item
  })
}

function stockLibrary({ libraryImages }: Scale, seed: number, dice: Dice, place: FakeLibrary, index: Map<string, Item>): Item[] {
  let pushed = 0
  return Array.from({ length: libraryImages }, (_, at) => {
    const kind = (['told', 'moving', 'told', 'plain'] as const)[at % 4]!
    const name = `lab/${kind}/tool-${at}:v1`
    const size = sizeOf(dice)
    const bytesOf = (version: number) => seededBytes(size + version, `${seed} image ${at} ${version}`)
    const versions = kind === 'moving' ? [bytesOf(0), bytesOf(1)] : [bytesOf(0)]
    const push = (version: number, of: Item) => {
      place.push(name, versions[version]!, { hash: kind === 'plain' ? 'none' : 'sha256' })
      index.set(`/bucket/${++pushed}`, of)
    }
    const item: Item = {
      path: `/v1/imagefile/${name}?arch=amd64`,
      kind: 'image',
      versions,
      now: 0,
      isLiedAbout: kind !== 'plain',
      ...(kind === 'moving' && {
        change() {
          item.now = 1 - item.now
          push(item.now, item)
        },
      }),
    }
    push(0, item)
    return item
  })
}
