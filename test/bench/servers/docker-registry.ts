import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, type Server, startServer } from './server.ts'

/** Debian's docker-registry as a pull-through cache of the upstream, without a line for each request. */
export async function startDockerRegistry(folder: string, upstreamPort: number): Promise<Server> {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const settings = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'storage') } },
    http: { addr: `127.0.0.1:${port}` },
    proxy: { remoteurl: `http://127.0.0.1:${upstreamPort}` },
  }
  // JSON is YAML.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(settings))
  return startServer({
    who: 'docker-registry',
    command: 'docker-registry',
    args: ['serve', join(folder, 'config.yml')],
    port,
    log: join(folder, 'registry.log'),
    readyPath: '/v2/',
  })
}
