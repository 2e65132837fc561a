/** `heddle serve` as a process of its own, for tests that kill it, signal it or read what it prints. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cliIn } from './cli-process.ts'
import type { PostOptions } from './test-node.ts'
import { waitUntil } from './wait-until.ts'

export interface NodeProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly url: string
  /** A key for inference and reading. */
  readonly key: string
  readonly adminKey: string
  /** Calls the node, wherever it runs. */
  readonly fetch: typeof fetch
  /** Everything printed so far, on both streams. */
  output(): string
  post(path: string, body: unknown, options?: PostOptions): Promise<Response>
  get(path: string, key?: string): Promise<Response>
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
}

const STARTS_WITHIN_MS = 30_000

/** Where a node runs, and how it is called from here. */
export interface Place {
  /** The command that runs a program there, in front of the program. */
  readonly prefix: readonly string[]
  /** Made when the node's port is known. */
  readonly door: (port: number) => Promise<typeof fetch>
}

const HERE: Place = { prefix: [], door: () => Promise.resolve(fetch) }

/** Starts a node in `home` and waits until it has said that it serves; rejects with its output where it ends before. */
export async function startNodeProcess(
  home: string,
  env: NodeJS.ProcessEnv = {},
  { prefix, door }: Place = HERE,
): Promise<NodeProcess> {
  const child = cliIn(home).serve({ HEDDLE_NAME: 'test-node', ...env }, prefix)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const dispose = async (): Promise<void> => {
    if (hasEnded()) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  try {
    await waitUntil(() => output.includes('Ctrl+C stops it.') || hasEnded(), 'the node to start', STARTS_WITHIN_MS)
    if (hasEnded()) throw new Error(`the node ended with ${child.exitCode}: ${output}`)
    const { url } = JSON.parse(await readFile(join(home, 'state/node.json'), 'utf8')) as { readonly url: string }
    const fetch = await door(Number(new URL(url).port))
    const key = (await readFile(join(home, 'data/keys/default.key'), 'utf8')).trim()
    const adminKey = (await readFile(join(home, 'state/admin.key'), 'utf8')).trim()
    return {
      child,
      url,
      key,
      adminKey,
      fetch,
      output: () => output,
      post: (path, body, { signal, headers } = {}) =>
        fetch(url + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
          ...(signal === undefined ? {} : { signal }),
        }),
      get: (path, as = key) => fetch(url + path, { headers: { authorization: `Bearer ${as}` } }),
      async stop() {
        const closed = once(child, 'close')
        child.kill('SIGTERM')
        const [code] = (await closed) as [number | null]
        return code
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
