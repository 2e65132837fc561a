/** A real Heddle node: `heddle serve` as a process of its own, with keys, routing and the request log on as by default. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../scripts/setup.js'
import { freePorts } from './ports.ts'
import type { Processes, RunningProcess } from './processes.ts'
import type { Target } from './target.ts'

const READY_TIMEOUT_MS = 60_000
const POLL_MS = 10

export interface HeddleDeps {
  readonly processes: Processes
  readonly root: string
}

export interface HeddleNode {
  readonly process: RunningProcess
  readonly port: number
  readonly key: string
  /** Its HEDDLE_HOME. */
  readonly home: string
  /** Time from spawning the process to the first 200 of `/readyz`. */
  readonly readyMs: number
}

export interface HeddleOptions {
  readonly name: string
  /** The value of HEDDLE_RUNTIMES; `undefined` leaves the default, which is the embedded model. */
  readonly runtimes: string | undefined
  /** Models that must be offered before the node counts as ready for the bench. */
  readonly models: readonly string[]
  /** What `/readyz` must answer: a node without runtimes is alive but not ready. */
  readonly readyPath?: '/readyz' | '/livez'
  /** Further settings. */
  readonly env?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

async function statusOf(url: string, signal: AbortSignal): Promise<number> {
  try {
    const response = await fetch(url, { signal })
    await response.arrayBuffer()
    return response.status
  } catch {
    signal.throwIfAborted()
    return 0 // nobody listens yet
  }
}

async function poll(
  running: RunningProcess,
  what: string,
  signal: AbortSignal,
  check: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!(await check())) {
    running.throwIfEnded()
    if (performance.now() > deadline)
      throw new Error(`${running.name}: no ${what} within ${READY_TIMEOUT_MS} ms: ${running.lastOutput()}`)
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** The ids in the node's model list. */
export async function offeredModels(
  { port, key }: Pick<HeddleNode, 'port' | 'key'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/models`, {
    headers: { authorization: `Bearer ${key}` },
    signal,
  })
  if (!response.ok) throw new Error(`GET /v1/models answered ${response.status}: ${await response.text()}`)
  const list = (await response.json()) as { data: { id: string }[] }
  return list.data.map(({ id }) => id)
}

/** Starts a node in an empty home. `HEDDLE_NODE_ARGS` adds arguments for Node, e.g. `--cpu-prof`, for profiling. */
export async function startHeddle({ processes, root }: HeddleDeps, options: HeddleOptions): Promise<HeddleNode> {
  const { name, runtimes, models, signal, readyPath = '/readyz', env = {} } = options
  const [port = 0] = await freePorts(1)
  const home = join(processes.folder, `${name}-${port}`)
  mkdirSync(home, { recursive: true })
  const nodeArgs = (process.env['HEDDLE_NODE_ARGS'] ?? '').split(' ').filter((argument) => argument !== '')
  const spawnedAt = performance.now()
  const running = processes.spawn(
    `${name}-${port}`,
    process.execPath,
    [...NODE_FLAGS, ...nodeArgs, join(root, 'src', 'cli', 'main.ts'), 'serve'],
    {
      env: {
        ...NODE_ENVIRONMENT,
        HEDDLE_HOME: home,
        HEDDLE_HTTP_LISTEN: `127.0.0.1:${port}`,
        ...(runtimes === undefined ? {} : { HEDDLE_RUNTIMES: runtimes }),
        ...env,
      },
    },
  )
  await poll(
    running,
    `200 from ${readyPath}`,
    signal,
    async () => (await statusOf(`http://127.0.0.1:${port}${readyPath}`, signal)) === 200,
  )
  const readyMs = performance.now() - spawnedAt
  const keyFile = join(home, 'data', 'keys', 'default.key')
  await poll(running, 'default key', signal, async () => existsSync(keyFile))
  const key = readFileSync(keyFile, 'utf8').trim()
  const node = { process: running, port, key, home, readyMs }
  await untilOffered(node, models, signal)
  return node
}

export async function untilOffered(node: HeddleNode, models: readonly string[], signal: AbortSignal): Promise<void> {
  await poll(node.process, `models ${models.join(', ')}`, signal, async () => {
    const offered = await offeredModels(node, signal)
    return models.every((model) => offered.includes(model))
  })
}

/** Calls the admin API of a node. */
export async function askAdmin(
  { home, port }: HeddleNode,
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${readFileSync(join(home, 'state', 'admin.key'), 'utf8').trim()}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal,
  })
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

/** Heddle as a proxy in front of upstreams that it registered itself as `openai` runtimes. */
export async function startHeddleProxy(
  deps: HeddleDeps,
  upstreamPorts: readonly number[],
  { models, signal }: { readonly models: readonly string[]; readonly signal: AbortSignal },
): Promise<Target> {
  const runtimes = upstreamPorts.map((port) => `openai:http://127.0.0.1:${port}`).join(',')
  const node = await startHeddle(deps, { name: 'heddle', runtimes, models, signal })
  const unauthorized = await fetch(`http://127.0.0.1:${node.port}/v1/models`, { signal })
  if (unauthorized.status !== 401)
    throw new Error(
      `heddle answered ${unauthorized.status} without a key: authentication is off, so nothing can be compared`,
    )
  return { name: 'heddle', ports: [node.port], process: node.process, headers: { authorization: `Bearer ${node.key}` } }
}
