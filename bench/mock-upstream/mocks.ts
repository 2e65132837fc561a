/** Starts the mock upstreams: nginx for whole JSON answers, a Node process for streams. */
import { fileURLToPath } from 'node:url'
import { type NginxDeps, startNginx } from '../peers/nginx.ts'
import { freePorts, waitForPort } from '../peers/ports.ts'
import type { RunningProcess } from '../peers/processes.ts'
import { JSON_MODEL, jsonAnswer, modelList } from './openai-shapes.ts'

export interface Mock {
  readonly process: RunningProcess
  readonly ports: readonly number[]
}

/** A static answer from nginx costs next to nothing, so that the proxies are what is measured. */
export async function startJsonMock(deps: NginxDeps, { signal }: { readonly signal: AbortSignal }): Promise<Mock> {
  const [port = 0] = await freePorts(1)
  const process = await startNginx(
    deps,
    {
      name: 'json-mock',
      port,
      http: `server {
        listen 127.0.0.1:${port} backlog=1024;
        default_type application/json;
        location = /health { return 200 '{"status":"ok"}'; }
        location = /v1/models { return 200 '${modelList([JSON_MODEL])}'; }
        location = /v1/chat/completions { return 200 '${jsonAnswer()}'; }
      }`,
    },
    { signal },
  )
  return { process, ports: [port] }
}

/** The streaming mock on `count` ports, each an upstream of its own to whoever registers it. */
export async function startStreamMock(
  deps: NginxDeps,
  count: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<Mock> {
  const ports = await freePorts(count)
  const file = fileURLToPath(new URL('stream-server.ts', import.meta.url))
  const running = deps.processes.spawn('stream-mock', process.execPath, [file, ...ports.map(String)])
  for (const port of ports) await waitForPort(running, port, { signal })
  return { process: running, ports }
}
