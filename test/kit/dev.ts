import { once } from 'node:events'
import { blob, MiB } from './blobs.ts'
import { createFakeUpstream } from './fake-upstream.ts'
import { startHouse } from './house.ts'
import { artifact, image, multiPlatform, sif } from './images.ts'
import { lab } from './world.ts'

/** What `npm run dev` runs: a house in front of a made-up registry, paced so that fills can be watched. */
const layerBytes = 64 * MiB
const bytesPerSecond = 8 * MiB

async function main(): Promise<void> {
  const upstream = await createFakeUpstream()
  const tool = image({ seed: 'dev', layers: [200_000, layerBytes] })
  upstream.push('lab/tool', tool, 'v1', 'latest')
  upstream.push('lab/multi', multiPlatform({ layers: [50_000] }), 'v1')
  upstream.push('lab/file.sif', sif(2 * MiB), 'v1')
  upstream.push('lab/tool', artifact({ artifactType: 'application/vnd.example.sbom', subject: tool }))
  upstream.pushBlob('lab/tool', blob(1000, 'dev'))
  upstream.fault({ path: '/blobs/', method: 'GET' }, { bytesPerSecond })

  process.env.FOREBAY_TEST_LOG ??= 'debug'
  const house = await startHouse({
    upstreams: { [lab]: { url: upstream.url, freshFor: '10s' } },
    defaults: { oci: lab },
    outbound: { allow: [upstream.cdn.host] },
  })
  const layer = `${house.url}/v2/${lab}/lab/tool/blobs/${tool.blobs[2]!.digest}`
  console.log(`
Forebay at ${house.url}, in front of a made-up registry at ${upstream.url}.
Everything is in ${house.storePath}, which is deleted at the end (Ctrl-C). A change below src/ starts it all again.

  curl -i ${house.url}/v2/${lab}/lab/tool/manifests/v1
  curl -o layer ${layer}        # 64 MiB at ${bytesPerSecond / MiB} MiB/s, at full speed the second time
  curl -r 60000000-60000099 ${layer} | sha256sum        # from another shell meanwhile: ahead of the rest
  curl ${house.url}/metrics
  skopeo copy --src-tls-verify=false docker://${house.host}/${lab}/lab/tool:v1 dir:out
`)
  const control = new AbortController()
  await Promise.race([once(process, 'SIGINT', control), once(process, 'SIGTERM', control)])
  control.abort()
  await upstream.close()
  await house.stop()
}

await main()
