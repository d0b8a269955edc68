import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { documentAt } from '../load/document.ts'
import { pullTogether } from '../load/herd.ts'
import { createPull } from '../load/pull.ts'
import { requestsPerSecond } from '../load/requests.ts'
import { absoluteRow, type Row } from '../report/row.ts'
import { startForebay, upstreamName } from '../servers/forebay.ts'
import { startNginxStatic } from '../servers/nginx.ts'
import { blobPath, imageMetalinkPath } from '../servers/paths.ts'
import type { Bench, Figure } from './figure.ts'
import { inRounds, settle } from './rounds.ts'

const connections = 32
const layers = 40
const layerBytes = 8 * 1024 * 1024 // in eight pieces
const type = 'application/metalink4+xml'

/** The metalink of a large image by its tag; the image is held. nginx serves the same bytes as a file. */
export const metalinkWarm: Figure = { name: 'metalink-warm', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, tools, say } = bench
  const image = await upstream.publish(Array.from({ length: layers }, () => layerBytes))
  const path = imageMetalinkPath(upstreamName, image.tag)
  await using servers = new AsyncDisposableStack()
  const forebay = servers.use(await startForebay(join(folder, 'forebay'), upstream.port, bench.forebay))
  await documentAt(urlAt(forebay.port, path), type)
  const pull = createPull()
  for (const { digest, size } of image.layers) {
    await pullTogether(pull, { port: forebay.port, path: blobPath(digest) }, { clients: 1, size, digest, withinMs: 60_000 })
  }
  const bytes = await untilPieces(urlAt(forebay.port, path))
  await writeFile(join(folder, 'image.meta4'), bytes)
  const nginx =
    tools.nginx && servers.use(await startNginxStatic(join(folder, 'nginx'), [{ path, file: join(folder, 'image.meta4'), type }]))
  const contestants = [forebay, ...(nginx ? [nginx] : [])]

  const speeds = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  const load = { connections, accept: type, tools, path }
  for (const { port } of contestants) await requestsPerSecond({ ...load, port, seconds: 1 })
  await inRounds(scale.runs, contestants, async (contestant) => {
    await settle(scale.quietWithinMs)
    const speed = await requestsPerSecond({ ...load, port: contestant.port, seconds: scale.requestSeconds })
    speeds.get(contestant)!.push(speed)
    say(`${contestant.who}: ${speed.toFixed(0)}/s`)
  })
  return [
    absoluteRow(
      {
        what: `${connections} connections, ${layers} layers, ${(bytes.length / 1000).toFixed(0)} kB`,
        unit: '/s',
        ours: speeds.get(forebay)!,
        ...(nginx && { peer: { who: 'nginx', values: speeds.get(nginx)! } }),
      },
      '>= 5000 /s',
      (speed) => speed >= 5000,
    ),
  ]
}

const urlAt = (port: number, path: string): string => `http://127.0.0.1:${port}${path}`

/** Pieces are hashed after a blob was stored. */
async function untilPieces(url: string): Promise<Buffer> {
  for (let tries = 0; tries < 200; tries++) {
    const bytes = await documentAt(url, type)
    if (bytes.toString().split('<pieces ').length === layers + 1) return bytes
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${url} never had the pieces of ${layers} layers`)
}
