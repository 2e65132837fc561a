/** What every command is given: where it writes, what was asked for everywhere, and the way to the node. */
import { type Environment, type Paths, pathsOf } from '../compose/paths.ts'
import { ApiClient } from './api-client.ts'
import { findNode } from './find-node.ts'
import { type Terminal, type TextSink, terminalOf } from './terminal.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean
  readonly color?: boolean
  readonly trace?: boolean
  readonly config?: string
  readonly host?: string
  readonly apiKeyFile?: string
}

export interface Context {
  readonly env: Environment
  readonly paths: Paths
  readonly options: GlobalOptions
  readonly terminal: Terminal
  readonly json: boolean
  /** Aborts when the person interrupts, with a reason of its own. */
  readonly signal: AbortSignal
  readonly stdin: NodeJS.ReadStream
  /** The node to speak to. Throws `daemon_down` where there is none. */
  node(): Promise<ApiClient>
  /** Writes one document, the only thing on stdout with `--json`. */
  document(value: object): void
}

export interface World {
  readonly env: Environment
  readonly stdin: NodeJS.ReadStream
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly signal: AbortSignal
}

export function contextOf({ env, stdin, stdout, stderr, signal }: World, options: GlobalOptions): Context {
  const terminal = terminalOf({ stdout, stderr, env, plain: options.color === false })
  const paths = pathsOf({ env })
  return {
    env,
    paths,
    options,
    terminal,
    json: options.json === true,
    signal,
    stdin,
    node: async () => new ApiClient(await findNode({ paths, env, host: options.host, keyFile: options.apiKeyFile })),
    document: (value) => terminal.line(JSON.stringify(value)),
  }
}
