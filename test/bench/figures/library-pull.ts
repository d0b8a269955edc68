import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pullSif } from '../load/apptainer.ts'
import { pullTogether } from '../load/herd.ts'
import { createPull } from '../load/pull.ts'
import { now } from '../now.ts'
import { type Row, relativeRow } from '../report/row.ts'
import { startForebay, storedBlob } from '../servers/forebay.ts'
import { type StaticFile, startNginxStatic } from '../servers/nginx.ts'
import { libraryFilePath, libraryImagePath, libraryReference } from '../servers/paths.ts'
import type { Server } from '../servers/server.ts'
import { describeImage, libraryVersion } from '../upstream/library.ts'
import type { Published } from '../upstream/shelf.ts'
import type { Bench, Figure } from './figure.ts'
import { inRounds, readyMemory, settle } from './rounds.ts'

/** `apptainer pull library://` of a large image that is held. nginx gives the same answers, and the very same file. */
export const libraryPull: Figure = { name: 'library-pull', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  if (bench.tools.apptainer === undefined) return []
  const { upstream, scale } = bench
  const image = await upstream.publish([scale.sifBytes])
  const rows: Row[] = []
  for (const isSentOn of [true, false]) rows.push(await compare(bench, image, isSentOn))
  return rows
}

/** `isSentOn`: the client is told by 303 to fetch the file in parts, as where it can be; else it gets it at once. */
async function compare(bench: Bench, image: Published, isSentOn: boolean): Promise<Row> {
  const { folder, scale, say } = bench
  const layer = image.layers[0]!
  const way = isSentOn ? 'in parts (303)' : 'at once (200)'
  await using servers = new AsyncDisposableStack()
  const [ours, theirs] = [join(folder, `forebay-${isSentOn}`), join(folder, `nginx-${isSentOn}`)]
  const forebay = servers.use(await startForebayWith(bench, ours, image, isSentOn))
  const nginx = bench.tools.nginx && servers.use(await startNginxLike(theirs, ours, image, isSentOn))
  const contestants = [forebay, ...(nginx ? [nginx] : [])]
  const seconds = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  await inRounds(scale.runs, contestants, async (contestant, round) => {
    await settle(scale.quietWithinMs)
    await readyMemory(join(folder, 'ready'), 2 * layer.size)
    const plan = {
      folder: join(folder, 'client'),
      port: contestant.port,
      reference: libraryReference(image.tag),
      size: layer.size,
    }
    const taken = await pullSif(plan)
    seconds.get(contestant)!.push(taken)
    say(`round ${round + 1} ${way}, ${contestant.who}: ${taken.toFixed(2)} s`)
  })
  const what = `apptainer, ${(layer.size / 2 ** 30).toFixed(2)} GiB ${way}`
  const peer = { who: 'nginx', values: nginx ? seconds.get(nginx)! : [] }
  return relativeRow({ what, unit: 's', ours: seconds.get(forebay)!, peer }, '<= 1.05 x nginx', (ratio) => ratio <= 1.05)
}

/** With the image in its store. */
async function startForebayWith(bench: Bench, folder: string, image: Published, isSentOn: boolean): Promise<Server> {
  const server = await startForebay(folder, bench.upstream.port, { ...bench.forebay, isLibrary: true, isNameless: !isSentOn })
  try {
    const { digest, size } = image.layers[0]!
    const path = libraryFilePath(image.tag)
    await pullTogether(createPull(), { port: server.port, path }, { clients: 1, size, digest, withinMs: 300_000 })
    for (const limit = now() + 60_000; !existsSync(storedBlob(folder, digest)); await sleep(20))
      if (now() > limit) throw new Error(`${digest} was never stored`)
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

/** Answers what the client asks of a library, with the file in Forebay's own store. */
async function startNginxLike(folder: string, forebayFolder: string, image: Published, isSentOn: boolean): Promise<Server> {
  const { digest, size } = image.layers[0]!
  await mkdir(folder)
  const place = isSentOn ? '/blob' : libraryFilePath(image.tag)
  const documents = { '/version': libraryVersion, [libraryImagePath(image.tag)]: describeImage(digest, size) }
  const files: StaticFile[] = [{ path: place, file: storedBlob(forebayFolder, digest), type: 'application/octet-stream' }]
  for (const [index, [path, value]] of Object.entries(documents).entries()) {
    const file = join(folder, `${index}.json`)
    await writeFile(file, JSON.stringify(value))
    files.push({ path, file, type: 'application/json' })
  }
  return startNginxStatic(folder, files, isSentOn ? { [libraryFilePath(image.tag)]: place } : {})
}
