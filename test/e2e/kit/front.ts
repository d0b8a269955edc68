import { writeFile } from 'node:fs/promises'
import { deadPort } from '../../kit/ports.ts'
import { type AccessLog, type Asked, accessLog } from './access-log.ts'
import { answers, type Daemon, startDaemon } from './daemon.ts'
import { untilIdle } from './idle.ts'
import type { WorkDir } from './work-dir.ts'

/** An nginx before a registry: a narrow uplink that writes down every range asked and every byte sent. */
export interface Front extends AsyncDisposable {
  readonly url: string
  readonly log: AccessLog
  /** Cuts every transfer and listens no more. */
  stop(): Promise<void>
  start(): Promise<void>
}

export interface FrontPlan {
  readonly origin: string
  /** Bytes per second for one connection, as nginx writes sizes (`64m`). */
  readonly rate: string
  /** What of each answer goes as fast as it can, before the rate counts; nothing unless said. */
  readonly rateAfter?: string
  readonly name?: string
  /** A free one unless said. */
  readonly port?: number
}

export async function startFront(work: WorkDir, { origin, rate, ...plan }: FrontPlan): Promise<Front> {
  const folder = await work.folder(plan.name ?? 'front')
  const port = plan.port ?? (await deadPort())
  const url = `http://127.0.0.1:${port}`
  const logFile = `${folder}/access.log`
  await writeFile(logFile, '')
  const settings = `
    daemon off; master_process off; pid ${folder}/pid; user root;
    events { worker_connections 256; }
    http {
      log_format asked escape=json '{"method":"$request_method","path":"$request_uri","status":$status,"bytes":$body_bytes_sent,"range":"$http_range","agent":"$http_user_agent"}';
      access_log ${logFile} asked;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${port} sndbuf=256k;
        location / {
          proxy_pass ${origin};
          proxy_set_header Host $http_host;
          proxy_buffers 16 256k; proxy_buffer_size 256k; proxy_max_temp_file_size 0;
          limit_rate ${rate}; limit_rate_after ${plan.rateAfter ?? '0'};
        }
      }
    }`
  await writeFile(`${folder}/nginx.conf`, settings)
  const start = (): Promise<Daemon> =>
    startDaemon({
      command: 'nginx',
      args: ['-e', `${folder}/error.log`, '-c', `${folder}/nginx.conf`],
      log: `${folder}/nginx.log`,
      ready: () => answers(`${url}/v2/`, [200, 401]),
    })
  let daemon: Daemon | undefined = await start()
  const front: Front = {
    url,
    log: accessLog(logFile, parseLine, async () => daemon && untilIdle(daemon.pid)),
    async stop() {
      await daemon?.stop()
      daemon = undefined
    },
    async start() {
      daemon ??= await start()
    },
    [Symbol.asyncDispose]: () => front.stop(),
  }
  return front
}

function parseLine(line: string): Asked | undefined {
  const { range, ...asked } = JSON.parse(line) as Asked
  return range === '' ? asked : { ...asked, range }
}
