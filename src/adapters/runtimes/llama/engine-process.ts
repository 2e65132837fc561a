/** One life of the engine process: started, spoken to, ended. What to do when it ends by itself is its owner's business. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { limit } from '../../../core/limits.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { FromEngine, ToEngine } from './engine/messages.ts'

export interface EngineExit {
  /** In words, e.g. `signal SIGKILL`. */
  readonly how: string
  /** A line of the native code about its failed assertion, if it wrote one. */
  readonly assertion: string | undefined
}

export interface EngineProcessHandlers {
  readonly onMessage: (message: FromEngine) => void
  /** Called once, whoever ended it. */
  readonly onExit: (exit: EngineExit) => void
}

/** Sources run as they are; a published package has them compiled. */
const MAIN = fileURLToPath(new URL(`engine/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
const KEPT_ERROR_CHARACTERS = 4_096
const SHOWN_ERROR_CHARACTERS = 200
/** Lines that name a place in native code. Others may quote a prompt or a grammar. */
const ASSERTION = /^.*(GGML_ASSERT|GGML_ABORT|CUDA error|ErrorOutOfDeviceMemory|std::bad_alloc).*$/m

export class EngineProcess {
  readonly #clock: Clock
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #errors = ''

  constructor({ clock }: { readonly clock: Clock }, { onMessage, onExit }: EngineProcessHandlers) {
    this.#clock = clock
    this.#child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'json' })
    const child = this.#child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-KEPT_ERROR_CHARACTERS)
    })
    child.on('message', (message) => onMessage(message as FromEngine))
    this.#exited = new Promise((resolve) => {
      let ended = false
      const end = (how: string): void => {
        if (ended) return
        ended = true
        resolve()
        onExit({ how, assertion: ASSERTION.exec(this.#errors)?.[0].slice(0, SHOWN_ERROR_CHARACTERS) })
      }
      child.once('error', (error) =>
        end(`it cannot be started (${(error as NodeJS.ErrnoException).code ?? error.name})`),
      )
      child.once('exit', (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`))
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(message: ToEngine): void {
    // One that just ended is reported by its exit.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** Ends it, by force where it does not listen, and waits until it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    using _force = this.#clock.after(limit('engineStopMs'), () => void this.#child.kill('SIGKILL'))
    await this.#exited
  }
}
