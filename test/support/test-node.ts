/** A whole node in this process, with a home and a port of its own, for tests that speak HTTP to it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/compose/config.ts'
import { type RunningNode, startNode } from '../../src/compose/start-node.ts'

export interface TestNode extends AsyncDisposable {
  readonly node: RunningNode
  readonly home: string
  readonly url: string
  /** A key for inference and reading. */
  readonly key: string
  readonly adminKey: string
  post(path: string, body: unknown, options?: PostOptions): Promise<Response>
  get(path: string, key?: string): Promise<Response>
}

export interface PostOptions {
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}

const SERVING_MS = 20_000

/** `env` as `HEDDLE_*`; runtimes are `script:demo` unless it says otherwise. Whoever called disposes it. */
export async function startTestNode(env: Readonly<Record<string, string>> = {}): Promise<TestNode> {
  const home = await mkdtemp(join(tmpdir(), 'heddle-node-'))
  const { signal } = new AbortController()
  const config = loadConfig({
    env: {
      HEDDLE_HOME: home,
      HEDDLE_HTTP_LISTEN: '127.0.0.1:0',
      HEDDLE_RUNTIMES: 'script:demo',
      HEDDLE_LOG_LEVEL: 'error',
      HEDDLE_NAME: 'test-node',
      HEDDLE_MODE: 'standalone',
      ...env,
    },
  })
  const node = await startNode(config, { signal })
  await node.untilServing({ timeoutMs: SERVING_MS, signal })
  const key = (await readFile(config.paths.defaultKeyFile, 'utf8')).trim()
  const adminKey = (await readFile(config.paths.adminKeyFile, 'utf8')).trim()
  return {
    node,
    home,
    url: node.url,
    key,
    adminKey,
    post: (path, body, { signal: aborted, headers } = {}) =>
      fetch(node.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(aborted === undefined ? {} : { signal: aborted }),
      }),
    get: (path, as = key) => fetch(node.url + path, { headers: { authorization: `Bearer ${as}` } }),
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** A user's message. */
export function chat(
  model: string,
  content = 'Hello',
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { model, messages: [{ role: 'user', content }], ...more }
}

/** The `data:` payloads of a whole event stream. */
export function eventsOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length))
}
