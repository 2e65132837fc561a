/** Portkey's gateway, the TypeScript gateway to compare with; installed into the bench's cache, never a dependency. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, waitForPort } from './ports.ts'
import type { Processes } from './processes.ts'
import type { Target } from './target.ts'

export const PORTKEY_VERSION = '1.15.2'

/**
 * Versions of @hono/node-server that its range picks answer 500 to every streaming request, and cost 1.4 times the CPU;
 * this one is what makes the comparison fair.
 */
const NODE_SERVER_VERSION = '1.13.8'

/** Installs the package once and returns its start script. */
export function installPortkey(cacheFolder: string, say: (line: string) => void): string {
  const folder = join(cacheFolder, `portkey-${PORTKEY_VERSION}-${NODE_SERVER_VERSION}`)
  const script = join(folder, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js')
  if (existsSync(script)) return script
  say(`installing @portkey-ai/gateway@${PORTKEY_VERSION} with npm into the bench cache`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      name: 'portkey-for-bench',
      private: true,
      dependencies: { '@portkey-ai/gateway': PORTKEY_VERSION },
      overrides: { '@hono/node-server': NODE_SERVER_VERSION },
    }),
  )
  const result = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.status !== 0 || !existsSync(script)) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(
      'npm could not install @portkey-ai/gateway; the lines above say why (leave it out with --targets direct,nginx,heddle)',
    )
  }
  return script
}

/** It has no option for its address and listens on every interface for as long as the bench runs. */
export async function startPortkey(
  {
    processes,
    cacheFolder,
    say,
  }: { readonly processes: Processes; readonly cacheFolder: string; readonly say: (line: string) => void },
  upstreamPort: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<Target> {
  const script = installPortkey(cacheFolder, say)
  const [port = 0] = await freePorts(1)
  const running = processes.spawn(`portkey-${port}`, process.execPath, [script, '--headless', `--port=${port}`], {
    env: { NODE_ENV: 'production' },
  })
  await waitForPort(running, port, { signal })
  return {
    name: 'portkey',
    ports: [port],
    process: running,
    headers: {
      authorization: 'Bearer sk-bench',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
  }
}
