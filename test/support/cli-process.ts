/** The command line as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanEnv, root } from './running-checkout.ts'

const MAIN = join(root, 'src/cli/main.ts')
const COMMAND_WITHIN_MS = 60_000

export interface Called {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface CallOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
}

export interface Cli {
  start(args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess
  call(args: readonly string[], options?: CallOptions): Promise<Called>
  /** `heddle serve`, for as long as the caller wants it; `prefix` is a command that runs it elsewhere. */
  serve(env?: NodeJS.ProcessEnv, prefix?: readonly string[]): ChildProcess
}

/** Calls with `home` as their home; nodes have a scripted model and a port that the system picks. */
export function cliIn(home: string): Cli {
  const base = {
    ...cleanEnv(home),
    HEDDLE_HTTP_LISTEN: '127.0.0.1:0',
    HEDDLE_RUNTIMES: 'script:demo?tokens=8',
    SHELL: '/bin/sh',
  }
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess =>
    spawn(process.execPath, [MAIN, ...args], { env: { ...base, ...env }, cwd: tmpdir(), timeout: COMMAND_WITHIN_MS })
  const serve = (env: NodeJS.ProcessEnv = {}, prefix: readonly string[] = []): ChildProcess => {
    const command = [...prefix, process.execPath, MAIN, 'serve']
    return spawn(command[0] ?? process.execPath, command.slice(1), { env: { ...base, ...env }, cwd: tmpdir() })
  }
  return { start, serve, call: (args, { env, input } = {}) => finished(start(args, env), input) }
}

/** What the process wrote until it ended. */
export async function finished(child: ChildProcess, input?: string): Promise<Called> {
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin?.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}
