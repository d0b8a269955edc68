import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { documentAt } from '../load/document.ts'
import { requestsPerSecond } from '../load/requests.ts'
import { type Row, relativeRow } from '../report/row.ts'
import { startDockerRegistry } from '../servers/docker-registry.ts'
import { startForebay } from '../servers/forebay.ts'
import { startNginxStatic } from '../servers/nginx.ts'
import { manifestPath } from '../servers/paths.ts'
import type { Bench, Figure } from './figure.ts'
import { inRounds, settle } from './rounds.ts'

const connections = 32

/** A manifest by its digest, held. nginx serves the same bytes as a file; docker-registry as a cache of the same upstream. */
export const hotManifest: Figure = { name: 'hot-manifest', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, tools, say } = bench
  const { digest, mediaType } = await upstream.publish(Array.from({ length: 8 }, () => 4096))
  const path = manifestPath(digest)
  await using servers = new AsyncDisposableStack()
  const forebay = servers.use(await startForebay(join(folder, 'forebay'), upstream.port, bench.forebay))
  const bytes = await documentAt(`http://127.0.0.1:${forebay.port}${path}`, mediaType)
  await writeFile(join(folder, 'manifest.json'), bytes)
  const file = { path, file: join(folder, 'manifest.json'), type: mediaType, fields: { 'Docker-Content-Digest': digest } }
  const nginx = tools.nginx && servers.use(await startNginxStatic(join(folder, 'nginx'), [file]))
  const registry = tools.dockerRegistry && servers.use(await startDockerRegistry(join(folder, 'registry'), upstream.port))
  const contestants = [forebay, ...(nginx ? [nginx] : []), ...(registry ? [registry] : [])]

  const speeds = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  const load = { connections, accept: mediaType, tools }
  for (const { port, who } of contestants) {
    const same = await documentAt(`http://127.0.0.1:${port}${path}`, mediaType)
    if (!same.equals(bytes)) throw new Error(`${who} serves another manifest`)
    await requestsPerSecond({ ...load, port, path, seconds: 1 })
  }
  await inRounds(scale.runs, contestants, async (contestant) => {
    await settle(scale.quietWithinMs)
    const speed = await requestsPerSecond({ ...load, port: contestant.port, path, seconds: scale.requestSeconds })
    speeds.get(contestant)!.push(speed)
    say(`${contestant.who}: ${speed.toFixed(0)}/s`)
  })
  const facts = { what: `${connections} connections`, unit: '/s' as const, ours: speeds.get(forebay)! }
  return [
    relativeRow(
      { ...facts, peer: { who: 'nginx', values: nginx ? speeds.get(nginx)! : [] } },
      '>= 0.70 x nginx',
      (r) => r >= 0.7,
    ),
    relativeRow(
      { ...facts, peer: { who: 'docker-registry', values: registry ? speeds.get(registry)! : [] } },
      '>= 30 x docker-registry',
      (ratio) => ratio >= 30,
    ),
  ]
}
