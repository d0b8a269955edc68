import { join } from 'node:path'
import { documentAt } from '../load/document.ts'
import { now } from '../now.ts'
import { absoluteRow, plainRow, type Row } from '../report/row.ts'
import { startForebay, upstreamName } from '../servers/forebay.ts'
import { imageMetalinkPath } from '../servers/paths.ts'
import type { Entry } from '../upstream/log.ts'
import type { Bench, Figure } from './figure.ts'
import { settle } from './rounds.ts'

const layers = 40
const layerBytes = 1024 * 1024
const type = 'application/metalink4+xml'

/** The first question for the metalink of an image of which nothing is held. */
export const metalinkCold: Figure = { name: 'metalink-cold', measure }

async function measure({ folder, upstream, scale, forebay, say }: Bench): Promise<readonly Row[]> {
  await using server = await startForebay(join(folder, 'forebay'), upstream.port, forebay)
  const rounds: { readonly ms: number; readonly blobs: readonly Entry[] }[] = []
  for (let round = 0; round <= scale.runs; round++) {
    const image = await upstream.publish(Array.from({ length: layers }, () => layerBytes))
    await settle(scale.quietWithinMs)
    await upstream.takeLog()
    const startedAt = now()
    const bytes = await documentAt(`http://127.0.0.1:${server.port}${imageMetalinkPath(upstreamName, image.tag)}`, type)
    const ms = now() - startedAt
    const missing = image.layers.filter(({ digest }) => !bytes.includes(digest.slice('sha256:'.length)))
    if (missing.length > 0) throw new Error(`the document lacks ${missing.length} of ${layers} layers`)
    const blobs = (await upstream.takeLog()).filter(({ path }) => path.includes('/blobs/'))
    say(`${ms.toFixed(0)} ms, ${blobs.length} questions about blobs`)
    if (round > 0) rounds.push({ ms, blobs }) // the first one compiles code
  }
  const gets = rounds.map(({ blobs }) => blobs.filter(({ method }) => method === 'GET').length)
  const heads = rounds.map(({ blobs }) => blobs.filter(({ method }) => method === 'HEAD').length)
  return [
    absoluteRow({ what: 'upstream blob GETs', unit: '', ours: gets }, '= 0', (count) => count === 0),
    plainRow({ what: 'upstream blob HEADs', unit: '', ours: heads }),
    plainRow({ what: `first document, ${layers} layers`, unit: 'ms', ours: rounds.map(({ ms }) => ms) }),
  ]
}
