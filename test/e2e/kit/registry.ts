import { cp, mkdir, writeFile } from 'node:fs/promises'
import { deadPort } from '../../kit/ports.ts'
import { type AccessLog, accessLog, parseCombined } from './access-log.ts'
import { answers, type Daemon, startDaemon } from './daemon.ts'
import { untilIdle } from './idle.ts'
import type { TokenServer } from './token-server.ts'
import { mustUse } from './tools.ts'
import type { WorkDir } from './work-dir.ts'

export interface Login {
  readonly username: string
  readonly password: string
}

/** Debian's docker-registry on loopback: an upstream that nobody wrote for these tests. */
export interface Registry extends AsyncDisposable {
  readonly address: string // host:port
  readonly url: string
  readonly log: AccessLog
  /** Listens no more; what it holds stays. */
  stop(): Promise<void>
  /** Listens again, on the same port. */
  start(): Promise<void>
}

export interface RegistryPlan {
  /** A storage directory to begin with; it is copied. */
  readonly seed?: string
  readonly login?: Login
  /** Who lets in whom is said elsewhere. */
  readonly tokens?: TokenServer['settings']
  readonly name?: string
}

/** Starts a registry with a storage directory of its own inside `work`. */
export async function startRegistry(work: WorkDir, plan: RegistryPlan = {}): Promise<Registry> {
  const name = plan.name ?? 'registry'
  const folder = await work.folder(name)
  const storage = `${folder}/storage`
  await mkdir(storage)
  if (plan.seed !== undefined) await cp(plan.seed, storage, { recursive: true })
  const port = await deadPort()
  const address = `127.0.0.1:${port}`
  const url = `http://${address}`
  const settings = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: address },
    ...(plan.tokens && { auth: { token: plan.tokens } }),
    ...(plan.login === undefined ? {} : { auth: { htpasswd: { realm: 'e2e', path: await passwords(folder, plan.login) } } }),
  }
  // JSON is YAML.
  await writeFile(`${folder}/config.yml`, JSON.stringify(settings))

  const logFile = `${folder}/access.log`
  const start = (): Promise<Daemon> =>
    startDaemon({
      command: 'docker-registry',
      args: ['serve', `${folder}/config.yml`],
      log: logFile,
      ready: () => answers(`${url}/v2/`, [200, 401]),
    })
  let daemon: Daemon | undefined = await start()
  const registry: Registry = {
    address,
    url,
    // It writes a line only after the last byte has gone.
    log: accessLog(logFile, parseCombined, async () => daemon && untilIdle(daemon.pid)),
    async stop() {
      await daemon?.stop()
      daemon = undefined
    },
    async start() {
      daemon ??= await start()
    },
    [Symbol.asyncDispose]: () => registry.stop(),
  }
  return registry
}

async function passwords(folder: string, login: Login): Promise<string> {
  const file = `${folder}/htpasswd`
  // docker-registry takes bcrypt only.
  await writeFile(file, await mustUse('htpasswd', ['-Bbn', login.username, login.password]))
  return file
}
