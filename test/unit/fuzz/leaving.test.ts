import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Opened, Serving } from '../../../src/catalog/catalog.ts'
import { type ByteSource, memorySource } from '../../../src/model/byte-source.ts'
import { Fault, isFault } from '../../../src/model/fault.ts'
import { createRemoteCatalog, type RemoteCatalog } from '../../../src/workers/remote-catalog.ts'
import { createService } from '../../../src/workers/service.ts'
import { openOf } from '../../kit/children.ts'
import { fuzzing, fuzzPatience } from '../../kit/fuzz.ts'
import { createLine } from '../../kit/line.ts'
import { asking, blobNamed } from '../../kit/questions.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'
import { digestOfBytes } from '../transfer/memory-house.ts'

const bytes = randomBytes(5000)
const digest = digestOfBytes(bytes)
const kinds = ['file', 'nameless', 'gone', 'coming', 'wrong', 'memory', 'refused'] as const
type Kind = (typeof kinds)[number]

/** One client: what it is given, after how many turns of the loop that comes, and after how many it leaves. */
interface Visit {
  readonly kind: Kind
  readonly arrives: number
  readonly opens: number
  readonly leaves: number
  readonly step: number // bytes
}

const visit: fc.Arbitrary<Visit> = fc.record({
  kind: fc.constantFrom(...kinds),
  arrives: fc.nat(4),
  opens: fc.nat(4),
  leaves: fc.oneof(fc.nat(30), fc.constant(Number.POSITIVE_INFINITY)),
  step: fc.constantFrom(100, 1000, 8000),
})
const visits = fc.record({
  all: fc.array(visit, { minLength: 1, maxLength: 8 }),
  dies: fc.oneof(fc.nat(30), fc.constant(Number.POSITIVE_INFINITY)), // the process that asks
})

let folder: TempFolder
let path: string
beforeAll(async () => {
  folder = await tempFolder()
  path = join(folder.path, 'blob')
  await writeFile(path, bytes)
})
afterAll(() => folder[Symbol.asyncDispose]())

test('however clients leave, and whenever the process that asks dies, nothing stays open for them, and no bytes are wrong', {
  timeout: fuzzPatience(60_000),
}, async () => {
  const before = await filesOpen()
  await fc.assert(fc.asyncProperty(visits, play), fuzzing(60) as fc.Parameters<unknown[]>)
  await expect.poll(filesOpen).toBe(before)
})

const filesOpen = async () => (await openOf(process.pid)).filter((name) => name.startsWith(folder.path)).length

async function play({ all, dies }: { readonly all: readonly Visit[]; readonly dies: number }): Promise<void> {
  const house = createHouse()
  const service = createService({ house: () => house.served })
  const line = createLine({}, service.answers)
  const news = { isSigning: false, linksVersion: '1', hitsVersion: 1 }
  const catalog = createRemoteCatalog(line.near, { maxBytes: 100_000, news })

  const over = new AbortController()
  const dying = after(dies, over.signal, async () => {
    line.near.close('it ended')
    line.far.close('it ended')
    await service.close()
  })
  await Promise.all(all.map((visit) => come(catalog, house.next, visit, over.signal)))
  over.abort()
  await dying
  await turns(10)
  expect([house.uses(), house.open()]).toEqual([0, 0])
  expect(line.failed).toEqual([])
  catalog.close()
  await service.close()
}

async function come(catalog: RemoteCatalog, next: Visit[], visit: Visit, over: AbortSignal): Promise<void> {
  await turns(visit.arrives)
  const control = new AbortController()
  const done = new AbortController()
  const signal = AbortSignal.any([over, done.signal])
  const leaving = after(visit.leaves, signal, () => control.abort(new Fault('cancelled', { what: 'it' })))
  try {
    next.push(visit)
    const { bytes: source } = await catalog.open(blobNamed(digest), asking({ signal: control.signal }))
    try {
      source.aim?.(0, bytes.length)
      expect((await readAll(source, visit.step, control.signal)).equals(bytes)).toBe(true)
    } finally {
      await source[Symbol.asyncDispose]()
    }
  } catch (error) {
    if (!isFault(error, 'cancelled', 'internal', 'corrupt', 'not-found')) throw error
  } finally {
    done.abort()
    await leaving
  }
}

async function readAll(source: ByteSource, step: number, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = []
  const into = Buffer.alloc(step)
  for (let at = 0; at < bytes.length; ) {
    const count = await source.read(into, at, signal)
    if (count === 0) break
    parts.push(Buffer.from(into.subarray(0, count)))
    at += count
  }
  return Buffer.concat(parts)
}

/** A catalog that counts what it gave, and what came back. */
function createHouse() {
  const next: Visit[] = []
  let uses = 0
  let open = 0
  const served = {
    uses: { enter: () => void uses++, leave: () => void uses-- },
    catalog: {
      isSigning: false,
      linksVersion: '1',
      hitsVersion: 1,
      places: () => [],
      async open(): Promise<Opened> {
        const { kind, opens } = next.shift()!
        await turns(opens)
        if (kind === 'refused') throw new Fault('not-found', { what: 'it' })
        const source = kind === 'memory' ? memorySource(bytes) : lying(kind, () => open--)
        if (kind !== 'memory') open++
        const artifact = {
          reference: blobNamed(digest),
          mediaType: 'a/b',
          size: bytes.length,
          digests: [digest],
          freshUntil: Number.POSITIVE_INFINITY,
          checkedAt: 0,
        }
        const from = kind === 'memory' ? 'memory' : kind === 'coming' || kind === 'wrong' ? 'fill' : 'disk'
        return { artifact, outcome: { kind: 'hit' }, from, bytes: source }
      },
    } as unknown as Serving,
  }
  return { served, next, uses: () => uses, open: () => open }
}

function lying(kind: Kind, disposed: () => void): ByteSource {
  let shown = kind === 'coming' || kind === 'wrong' ? 0 : bytes.length

  async function comeIn(signal: AbortSignal): Promise<void> {
    await turns(1)
    signal.throwIfAborted()
    shown = Math.min(bytes.length, shown + 1500)
    if (kind === 'wrong' && shown > 3000) throw new Fault('corrupt', { what: 'it', expected: 'a', actual: 'b' })
  }

  return {
    size: bytes.length,
    async read(into, position, signal) {
      while (position >= shown && shown < bytes.length) await comeIn(signal)
      const part = bytes.subarray(position, Math.min(position + into.length, shown))
      into.set(part)
      return part.length
    },
    ...(kind !== 'nameless' && {
      async locate(position: number, most: number, signal: AbortSignal) {
        while (position >= shown && shown < bytes.length) await comeIn(signal)
        return { path: kind === 'gone' ? `${path}-gone` : path, count: Math.max(0, Math.min(most, shown - position)) }
      },
    }),
    async [Symbol.asyncDispose]() {
      disposed()
    },
  }
}

async function after(count: number, over: AbortSignal, work: () => unknown): Promise<void> {
  if (!Number.isFinite(count)) return
  for (let at = 0; at < count && !over.aborted; at++) await turns(1)
  if (!over.aborted) await work()
}

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise<void>((go) => setImmediate(go))
}
