/** nginx, as the static upstream and as the proxy to compare with; one process with one event loop, as Heddle has. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, waitForPort } from './ports.ts'
import type { Processes, RunningProcess } from './processes.ts'
import type { Target } from './target.ts'

export interface NginxDeps {
  readonly processes: Processes
}

export interface NginxConfig {
  readonly name: string
  readonly port: number
  /** Directives inside `http { }`. */
  readonly http: string
}

/** Starts one nginx with a configuration of its own, away from the system's. */
export async function startNginx(
  { processes }: NginxDeps,
  { name, port, http }: NginxConfig,
  { signal }: { readonly signal: AbortSignal },
): Promise<RunningProcess> {
  const folder = join(processes.folder, name)
  mkdirSync(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ')
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 16384;
    pid ${folder}/nginx.pid; error_log ${folder}/error.log;
    events { worker_connections 8192; }
    http { access_log off; keepalive_requests 100000000; keepalive_timeout 120s; ${temporary}
    ${http} }\n`,
  )
  const running = processes.spawn(name, 'nginx', ['-c', file, '-e', `${folder}/error.log`])
  await waitForPort(running, port, { signal })
  return running
}

/** nginx as a reverse proxy with kept-alive upstream connections; `buffering` off is what a stream needs. */
export async function startNginxProxy(
  deps: NginxDeps,
  upstreamPort: number,
  { buffering, signal }: { readonly buffering: boolean; readonly signal: AbortSignal },
): Promise<Target> {
  const [port = 0] = await freePorts(1)
  const process = await startNginx(
    deps,
    {
      name: `nginx-proxy-${port}`,
      port,
      http: `upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / {
          proxy_pass http://mock;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          ${buffering ? '' : 'proxy_buffering off;'}
        }
      }`,
    },
    { signal },
  )
  return { name: 'nginx', ports: [port], process, headers: {} }
}
