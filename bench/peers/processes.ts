/** The child processes of one benchmark run and their folder; both go away when the run ends, however it ends. */
import { type ChildProcess, type Serializable, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TERMINATE_GRACE_MS = 8_000
const OUTPUT_TAIL_CHARACTERS = 2_000

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Opens a message channel to a Node child. */
  readonly messages?: boolean
}

export class RunningProcess implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #logFile: string
  readonly #ended: Promise<void>

  constructor(name: string, child: ChildProcess, logFile: string) {
    this.name = name
    this.#child = child
    this.#logFile = logFile
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started`)
    return this.#child.pid
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined
  }

  throwIfEnded(): void {
    if (this.hasEnded)
      throw new Error(
        `${this.name} ended (${this.#child.exitCode ?? this.#child.signalCode ?? 'not started'}): ${this.lastOutput()}`,
      )
  }

  /** The end of what it wrote to stdout and stderr. */
  lastOutput(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-OUTPUT_TAIL_CHARACTERS)
  }

  /** Sends one message to a child spawned with `messages` and waits for its answer. */
  ask<Answer>(question: Serializable, { signal }: { readonly signal: AbortSignal }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        signal.removeEventListener('abort', aborted)
        this.#child.off('message', answered)
        this.#child.off('exit', ended)
        act()
      }
      const aborted = (): void => settle(() => reject(signal.reason as Error))
      const ended = (): void =>
        settle(() => reject(new Error(`${this.name} ended without an answer: ${this.lastOutput()}`)))
      const answered = (message: Serializable): void => settle(() => resolve(message as Answer))
      signal.addEventListener('abort', aborted, { once: true })
      this.#child.once('exit', ended)
      this.#child.once('message', answered)
      this.#child.send(question, (error) => error && settle(() => reject(error)))
    })
  }

  /** Ends the process: SIGTERM, and SIGKILL when it has not gone after a while. */
  async stop(): Promise<void> {
    if (this.hasEnded) return
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), TERMINATE_GRACE_MS)
    await this.#ended
    clearTimeout(force)
  }

  killNow(): void {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** The bench's own environment without the settings of a node that its user may have exported. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEDDLE_')))
}

export class Processes implements AsyncDisposable {
  /** A folder for configuration, logs and homes of the children. */
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  readonly #running = new Set<RunningProcess>()
  readonly #killAll = (): void => {
    for (const running of this.#running) running.killNow()
  }

  constructor() {
    // Only reached with children left when the bench itself fails half-way.
    process.once('exit', this.#killAll)
  }

  spawn(
    name: string,
    command: string,
    args: readonly string[],
    { env = {}, messages = false }: SpawnOptions = {},
  ): RunningProcess {
    const logFile = join(this.folder, `${name.replaceAll(/[^a-z0-9-]/gi, '-')}.log`)
    const log = openSync(logFile, 'a')
    const child = spawn(command, args, {
      stdio: messages ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      env: { ...inheritedEnvironment(), ...env },
    })
    closeSync(log)
    const running = new RunningProcess(name, child, logFile)
    this.#running.add(running)
    child.once('exit', () => this.#running.delete(running))
    return running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()))
    process.off('exit', this.#killAll)
    rmSync(this.folder, { recursive: true, force: true })
  }
}
