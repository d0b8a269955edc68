import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, type Server, startServer } from './server.ts'

/** nginx as a cache in front of the upstream, told to let one request fetch while the others wait as long as it takes. */
export async function startNginxCache(folder: string, upstreamPort: number): Promise<Server> {
  return startNginx(folder, 'nginx proxy_cache', {
    http: `proxy_cache_path ${folder}/cache levels=1:2 keys_zone=cache:50m max_size=100g inactive=1d use_temp_path=off;`,
    server: `location / {
      proxy_pass http://127.0.0.1:${upstreamPort};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffer_size 64k;
      proxy_buffers 16 64k;
      proxy_busy_buffers_size 256k;
      proxy_read_timeout 1h;
      proxy_cache cache;
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 1h;
      proxy_cache_lock_age 1h;
    }`,
  })
}

/** A file that nginx serves under a path of its own, with these fields besides its length. */
export interface StaticFile {
  readonly path: string
  readonly file: string
  readonly type: string
  readonly fields?: Readonly<Record<string, string>>
}

/** nginx sending files by sendfile; `others`: paths that it answers with 303 and another of its own. */
export async function startNginxStatic(
  folder: string,
  files: readonly StaticFile[],
  others: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const locations = files.map(({ path, file, type, fields = {} }) => {
    const added = Object.entries(fields).map(([name, value]) => `add_header ${name} ${quoted(value)};`)
    return `location = ${path} { alias ${file}; types {} default_type ${type}; etag off; ${added.join(' ')} }`
  })
  const redirects = Object.entries(others).map(([from, to]) => `location = ${from} { return 303 ${to}; }`)
  return startNginx(folder, 'nginx file', { http: '', server: [...locations, ...redirects].join('\n') })
}

const quoted = (value: string): string => `'${value.replaceAll(/['\\$]/g, '\\$&')}'`

async function startNginx(folder: string, who: string, sections: { http: string; server: string }): Promise<Server> {
  await mkdir(join(folder, 'temp'), { recursive: true })
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temp/${name};`,
  )
  // As root the workers would become nobody, who may not read the bench's folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  await writeFile(
    join(folder, 'nginx.conf'),
    `${user}
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
http {
  ${temporary.join(' ')}
  access_log off;
  sendfile on;
  tcp_nopush on;
  aio off;
  keepalive_requests 100000000;
  ${sections.http}
  server {
    listen 127.0.0.1:${port};
    location = /ready { return 200; }
    ${sections.server}
  }
}
`,
  )
  return startServer({
    who,
    command: 'nginx',
    args: ['-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')],
    port,
    log: join(folder, 'nginx.log'),
    readyPath: '/ready',
  })
}
