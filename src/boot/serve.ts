import type { Config } from '../config/load.ts'
import { createLogger } from '../system/log.ts'
import { startServer } from './server.ts'

/** Runs until SIGTERM or SIGINT; returns the exit code. A second signal ends it at once. @throws Fault when it cannot start */
export async function serve(config: Config, version: string): Promise<number> {
  const log = createLogger({ level: config.log.level })
  const stop = nextSignal()
  try {
    const server = await startServer(config, { log, version })
    log.info('start', { version, urls: server.urls, store: config.store.path, upstreams: [...config.upstreams.keys()] })
    log.flush()
    if (process.stderr.isTTY || config.log.level !== 'silent') greet(server.urls[0]!, config)
    log.info('stop', { signal: await stop })
    process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1))
    await server.close()
    return 0
  } finally {
    log.flush()
  }
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
}

/** For the person who typed the command: standard output belongs to the log. */
function greet(url: string, config: Config): void {
  const { host } = new URL(url)
  const name = config.upstreams.has('docker.io' as never)
    ? 'docker.io/library/alpine:3.20'
    : `${[...config.upstreams.keys()][0]}/NAME:TAG`
  process.stderr.write(
    [
      `Forebay listens on ${url} and keeps everything in ${config.store.path}`,
      'Try it, from another shell:',
      `  apptainer pull --no-https docker://${host}/${name}`,
      `  skopeo copy --src-tls-verify=false docker://${host}/${name} dir:pulled`,
      `  podman pull --tls-verify=false ${host}/${name}`,
      `  curl ${url}/v2/${name.replace(/:([^:]*)$/, '/manifests/$1')}`,
      '',
    ].join('\n'),
  )
}
