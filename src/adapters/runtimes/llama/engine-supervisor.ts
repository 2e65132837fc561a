/** Keeps an engine process up: starts it, notices when it ends, and starts it again after a growing pause. */
import { HeddleError } from '../../../core/errors.ts'
import type { MonotonicMs } from '../../../core/ids.ts'
import { limit } from '../../../core/limits.ts'
import type { Clock, Timer } from '../../../ports/clock.ts'
import type { Logger } from '../../../ports/logger.ts'
import { upstreamPool } from '../http-exchange.ts'
import type { Upstream } from '../upstream.ts'
import type { EngineConfig, EngineModel, FromEngine, LoadedFacts } from './engine/messages.ts'
import { type EngineExit, EngineProcess } from './engine-process.ts'
import { type EngineSocket, openEngineSocket } from './socket-folder.ts'

interface SupervisorDeps {
  readonly clock: Clock
  readonly log: Logger
  /** What is wrong with a file that the engine is about to open. */
  readonly check: (path: string) => Promise<string | undefined>
}

export interface SupervisorOptions {
  readonly socketFolder: string
  readonly config: Omit<EngineConfig, 'socketPath' | 'models'>
  /** Called after each change of `status`, `loaded` or `failed`. */
  readonly onChange: () => void
}

export interface EngineStatus {
  readonly phase: 'stopped' | 'starting' | 'ready' | 'broken'
  /** In words; empty when ready. */
  readonly reason: string
  /** Starts since it was last ready. */
  readonly tries: number
}

/** One started process and the way to it. */
interface Life {
  readonly process: EngineProcess
  readonly socket: EngineSocket
  readonly pool: Upstream
  readySince: MonotonicMs | undefined
}

const STOPPED: EngineStatus = { phase: 'stopped', reason: '', tries: 0 }

export class EngineSupervisor implements AsyncDisposable {
  readonly #deps: SupervisorDeps
  readonly #options: SupervisorOptions
  #status = STOPPED
  #models: readonly EngineModel[] = []
  /** Models in memory. */
  #loaded: readonly LoadedFacts[] = []
  /** Why models could not be loaded, by id. */
  #failed: ReadonlyMap<string, string> = new Map()
  #processor = ''
  #life: Life | undefined
  #opening: Promise<void> | undefined
  #restart: Timer | undefined
  #pauseMs = limit('childRestartMinMs')
  #disposed = false
  /** Resolves when what the last process left is cleared away. */
  #ending: Promise<void> | undefined

  constructor(deps: SupervisorDeps, options: SupervisorOptions) {
    this.#deps = deps
    this.#options = options
  }

  get status(): EngineStatus {
    return this.#status
  }

  get loaded(): readonly LoadedFacts[] {
    return this.#loaded
  }

  get failed(): ReadonlyMap<string, string> {
    return this.#failed
  }

  /** What computes, for people; empty before the first start. */
  get processor(): string {
    return this.#processor
  }

  get pid(): number | undefined {
    return this.#life?.process.pid
  }

  /** The connections to the process; undefined unless it is ready. */
  get pool(): Upstream | undefined {
    return this.#status.phase === 'ready' ? this.#life?.pool : undefined
  }

  /** Serves these models from now on; starts the process where none runs, also after it was given up. */
  serve(models: readonly EngineModel[]): void {
    this.#models = models
    this.#failed = new Map()
    if (this.#life !== undefined) this.#life.process.send({ type: 'models', models })
    else this.#launch()
  }

  /** Ends the process until `serve` is called again. */
  async stop(): Promise<void> {
    this.#models = []
    this.#restart?.cancel()
    await this.#opening
    const life = this.#life
    this.#enter(STOPPED)
    await life?.process.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    await this.stop()
    await this.#ending
  }

  #launch(): void {
    if (this.#opening !== undefined || this.#disposed) return
    this.#restart?.cancel()
    this.#enter({ phase: 'starting', reason: 'the engine is loading', tries: this.#status.tries + 1 })
    this.#opening = this.#open()
      .catch((error: unknown) => {
        this.#deps.log.error({ error }, 'no folder for the engine socket')
        this.#enter({
          phase: 'broken',
          reason: 'the folder for the engine socket cannot be made',
          tries: this.#status.tries,
        })
      })
      .finally(() => {
        this.#opening = undefined
      })
  }

  async #open(): Promise<void> {
    const socket = await openEngineSocket(this.#options.socketFolder)
    if (this.#models.length === 0) return await socket[Symbol.asyncDispose]()
    const process = new EngineProcess(this.#deps, {
      onMessage: (message) => this.#onMessage(life, message),
      onExit: (exit) => {
        this.#ending = this.#onExit(life, exit)
      },
    })
    const life: Life = { process, socket, pool: upstreamPool({ socketPath: socket.path }), readySince: undefined }
    this.#life = life
    process.send({
      type: 'configure',
      config: { ...this.#options.config, socketPath: socket.path, models: this.#models },
    })
  }

  #onMessage(life: Life, message: FromEngine): void {
    switch (message.type) {
      case 'ready':
        life.readySince = this.#deps.clock.monotonic()
        this.#processor = message.processor
        this.#deps.log.info({ pid: life.process.pid, processor: message.processor }, 'engine ready')
        return this.#enter({ phase: 'ready', reason: '', tries: 0 })
      case 'check':
        void this.#deps
          .check(message.path)
          .then((problem) => life.process.send({ type: 'checked', path: message.path, problem }))
        return
      case 'loaded':
        this.#loaded = message.models
        return this.#options.onChange()
      case 'load-failed':
        this.#deps.log.warn({ model: message.id, reason: message.reason }, 'model not loaded')
        this.#failed = new Map([...this.#failed, [message.id, message.reason]])
        return this.#options.onChange()
      case 'unusable':
        this.#deps.log.error({ reason: message.reason, fix: message.fix }, 'engine unusable')
        return this.#enter({ phase: 'broken', reason: `${message.reason}: ${message.fix}`, tries: this.#status.tries })
      default:
        message satisfies never
    }
  }

  async #onExit(life: Life, exit: EngineExit): Promise<void> {
    this.#life = undefined
    this.#loaded = []
    // What is in flight fails as its socket closes; what waits for a socket fails here.
    const closing = Promise.all([
      life.pool.destroy(new HeddleError('upstream_interrupted', 'the engine process ended')),
      life.socket[Symbol.asyncDispose](),
    ])
    if (this.#models.length > 0 && this.#status.phase !== 'broken') this.#restartLater(life, exit)
    else this.#options.onChange()
    await closing.catch((error: unknown) => this.#deps.log.warn({ error }, 'engine socket not removed'))
  }

  #restartLater({ process, readySince }: Life, { how, assertion }: EngineExit): void {
    const { clock, log } = this.#deps
    if (readySince !== undefined && clock.monotonic() - readySince >= limit('engineSteadyMs'))
      this.#pauseMs = limit('childRestartMinMs')
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(pauseMs * 2, limit('childRestartMaxMs'))
    log.error({ pid: process.pid, how, assertion, pauseMs }, 'engine process ended; it starts again')
    this.#enter({
      phase: 'broken',
      reason: `the engine process ended (${how}) and starts again in ${pauseMs} ms`,
      tries: this.#status.tries,
    })
    this.#restart = clock.after(pauseMs, () => this.#launch())
  }

  #enter(status: EngineStatus): void {
    this.#status = status
    this.#options.onChange()
  }
}
