/** A node started as a person starts it, `npm start` in this checkout, with a home and a port of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { NODE_ENVIRONMENT } from '../../scripts/setup.js'

export const root = join(import.meta.dirname, '..', '..')
const STOP_WITHIN_MS = 20_000

export interface RunningCheckout extends AsyncDisposable {
  readonly home: string
  /** What a shell needs so that `npm run -s heddle` speaks to this node. */
  readonly env: NodeJS.ProcessEnv
  /** What the node has printed so far. */
  readonly output: () => string
}

/** An environment without the variables of whoever runs the tests. */
export function cleanEnv(home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(HEDDLE|OPENAI|NODE_TEST|XDG)_|^(NODE_OPTIONS|CI)$/.test(name),
  )
  // `npm test` puts the checkout's own programs first; a person's shell does not.
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.endsWith(join('node_modules', '.bin')))
  return {
    ...Object.fromEntries(kept),
    PATH: path.join(delimiter),
    HEDDLE_HOME: home,
    HOME: home,
    // Nodes of different tests on one machine would find each other otherwise.
    HEDDLE_MODE: 'standalone',
    npm_config_cache: join(home, 'npm'),
    // As for `npm start`: a home of its own would have every node compile everything, and write that down when it ends.
    ...NODE_ENVIRONMENT,
  }
}

/** Starts a node and waits until it can answer. Whoever called disposes it, which ends the node and removes its home. */
export async function startCheckout(extra: NodeJS.ProcessEnv = {}): Promise<RunningCheckout> {
  const home = mkdtempSync(join(tmpdir(), 'heddle-checkout-'))
  // Port 0: the system picks a free one and the command line finds it in the node's own file.
  const env = { ...cleanEnv(home), HEDDLE_HTTP_LISTEN: '127.0.0.1:0', HEDDLE_RUNTIMES: 'llama', ...extra }
  const child = spawn('npm', ['start', '--silent'], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
  const checkout: RunningCheckout = {
    home,
    env,
    output: () => output,
    async [Symbol.asyncDispose]() {
      await stop(child)
      rmSync(home, { recursive: true, force: true })
    },
  }
  const waited = spawnSync('npm', ['run', '-s', 'heddle', '--', 'wait', '--timeout', '60s'], {
    cwd: root,
    env,
    encoding: 'utf8',
  })
  if (waited.status !== 0) {
    await checkout[Symbol.asyncDispose]()
    throw new Error(`the node did not come up (${waited.status}): ${waited.stderr}\n${output}`)
  }
  return checkout
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  const giveUp = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), STOP_WITHIN_MS)
  // The group, because npm does not always pass a signal on.
  process.kill(-child.pid, 'SIGTERM')
  await exited
  clearTimeout(giveUp)
}
