/** llama.cpp behind the runtime port: GGUF files served by an engine process of their own, over HTTP on a private socket. */
import { dirname } from 'node:path'
import { HeddleError, heddleErrorOf } from '../../../core/errors.ts'
import type { RuntimeId, UnixMs } from '../../../core/ids.ts'
import { limit } from '../../../core/limits.ts'
import { Listeners } from '../../../core/listeners.ts'
import type { MessageRequest, MessageResponse } from '../../../core/message.ts'
import type { ModelOffer, RuntimeState } from '../../../core/routing/candidate.ts'
import type { Clock } from '../../../ports/clock.ts'
import type { Logger } from '../../../ports/logger.ts'
import type { Runtime, RuntimeSnapshot } from '../../../ports/runtime.ts'
import { exchange } from '../http-exchange.ts'
import { CREATED_HEADER, REQUEST_ID_HEADER } from './engine/exchange.ts'
import type { EngineGpu } from './engine/messages.ts'
import { EngineSupervisor } from './engine-supervisor.ts'
import { type LlamaModel, offerOf, type ValidateGguf } from './model-offers.ts'
import { trackedBody } from './tracked-body.ts'

export interface LlamaRuntimeDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly validate: ValidateGguf
}

export interface LlamaRuntimeConfig {
  readonly id: RuntimeId
  /** The first is loaded at once, the others when asked for. */
  readonly models: readonly LlamaModel[]
  /** Where sockets may lie; made with mode 0700 where it is missing. */
  readonly socketFolder: string
  /** `cpu` by default; anything else needs its binary installed. */
  readonly gpu?: EngineGpu | undefined
  /** CPU threads; by default half of the logical processors. */
  readonly threads?: number | undefined
  /** Requests of one model worked on at once; 4 by default. */
  readonly parallel?: number | undefined
  /** Models in memory at once; 2 by default. */
  readonly loadedModels?: number | undefined
  /** The package to run; `node-llama-cpp` by default. */
  readonly engine?: string | undefined
}

const DEFAULT_PARALLEL = 4
const DEFAULT_LOADED_MODELS = 2
/** The pool connects to its socket whatever the origin says. */
const ORIGIN = 'http://localhost'

export class LlamaRuntime implements Runtime {
  readonly id: RuntimeId
  readonly kind = 'llama'
  readonly #deps: LlamaRuntimeDeps
  readonly #capacity: number
  readonly #supervisor: EngineSupervisor
  readonly #closing = new AbortController()
  readonly #listeners = new Set<() => void>()
  #models: readonly LlamaModel[]
  /** Undefined until the files have been looked at. */
  #offers: readonly ModelOffer[] | undefined
  #started = false
  readonly #loadListeners = new Listeners()
  #inFlight = 0
  #snapshot: RuntimeSnapshot

  constructor({ clock, log, validate }: LlamaRuntimeDeps, config: LlamaRuntimeConfig) {
    this.id = config.id
    this.#deps = { clock, log: log.child({ runtime: config.id }), validate }
    this.#models = config.models
    this.#capacity = config.parallel ?? DEFAULT_PARALLEL
    this.#supervisor = new EngineSupervisor(
      { clock, log: this.#deps.log, check: (path) => this.#problemOf(path) },
      {
        socketFolder: config.socketFolder,
        config: {
          gpu: config.gpu ?? 'cpu',
          threads: config.threads ?? 0,
          sequences: this.#capacity,
          loadedModels: config.loadedModels ?? DEFAULT_LOADED_MODELS,
          engine: config.engine ?? 'node-llama-cpp',
        },
        onChange: () => this.#changed(),
      },
    )
    this.#snapshot = this.#describe('stopped', '', clock.now())
  }

  get location(): string {
    const [first] = this.#models
    return first === undefined ? 'no model files' : dirname(first.path)
  }

  snapshot(): RuntimeSnapshot {
    return this.#snapshot
  }

  inFlight(): number {
    return this.#inFlight
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  onLoad(listener: () => void): () => void {
    return this.#loadListeners.add(listener)
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    void this.#apply()
  }

  /** Offers these files from now on; requests that run already end as they began. */
  setModels(models: readonly LlamaModel[]): void {
    this.#models = models
    if (this.#started) void this.#apply()
  }

  async send(request: MessageRequest, { signal }: { readonly signal: AbortSignal }): Promise<MessageResponse> {
    signal.throwIfAborted()
    const { pool } = this.#supervisor
    if (pool === undefined || this.#snapshot.state !== 'ready') throw this.#notReady()
    this.#count(1)
    const over = (): void => this.#count(-1)
    try {
      const response = await exchange({ dispatcher: pool }, request, {
        origin: ORIGIN,
        headers: {
          [REQUEST_ID_HEADER]: request.id,
          [CREATED_HEADER]: String(Math.floor(this.#deps.clock.now() / 1_000)),
        },
        signal,
        headersTimeoutMs: limit('firstByteTimeoutMs'),
        bodyTimeoutMs: limit('tokenGapMs'),
      })
      return { ...response, body: trackedBody(response.body, signal, over) }
    } catch (error) {
      over()
      throw error
    }
  }

  #count(by: 1 | -1): void {
    this.#inFlight += by
    this.#loadListeners.tell()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new HeddleError('draining', 'the runtime is being closed'))
    this.#started = false
    this.#changed()
    await this.#supervisor[Symbol.asyncDispose]()
    this.#listeners.clear()
  }

  #notReady(): HeddleError {
    const { state, reason } = this.#snapshot
    const code = state === 'starting' ? 'model_loading' : 'runtime_unavailable'
    return new HeddleError(code, reason === '' ? 'the engine is not ready' : reason, { retryAfterMs: 1_000 })
  }

  /** Looks at the files, and lets the engine process load meanwhile: it asks about each file before it opens it. */
  async #apply(): Promise<void> {
    const models = this.#models
    const { signal } = this.#closing
    if (models.length > 0) this.#supervisor.serve(models)
    const offers: ModelOffer[] = []
    for (const model of models) {
      try {
        offers.push(await offerOf(this.#deps, model, { signal }))
      } catch (error) {
        this.#deps.log.warn({ model: model.id, reason: heddleErrorOf(error).message, error }, 'model file refused')
      }
      // Closed, or other files were named meanwhile.
      if (signal.aborted || models !== this.#models) return
    }
    this.#offers = offers
    if (offers.length === 0) await this.#supervisor.stop()
    this.#changed()
  }

  async #problemOf(path: string): Promise<string | undefined> {
    try {
      await this.#deps.validate(path, { signal: this.#closing.signal })
      return undefined
    } catch (error) {
      return heddleErrorOf(error).message
    }
  }

  #changed(): void {
    const [state, reason] = this.#state()
    const sinceMs = state === this.#snapshot.state ? this.#snapshot.sinceMs : this.#deps.clock.now()
    this.#snapshot = this.#describe(state, reason, sinceMs)
    for (const listener of this.#listeners) listener()
  }

  #state(): readonly [RuntimeState, string] {
    const { phase, reason } = this.#supervisor.status
    if (!this.#started) return ['stopped', '']
    if (this.#models.length === 0) return ['stopped', 'there are no model files']
    if (this.#offers?.length === 0) return ['unhealthy', 'none of the model files can be used']
    switch (phase) {
      case 'ready':
        return this.#offers === undefined ? ['starting', 'the model files are being checked'] : ['ready', '']
      case 'starting':
      case 'stopped':
        return ['starting', reason]
      case 'broken':
        return ['unhealthy', reason]
      default:
        return phase satisfies never
    }
  }

  #describe(state: RuntimeState, reason: string, sinceMs: UnixMs | number): RuntimeSnapshot {
    const { status, loaded, failed, pid, processor } = this.#supervisor
    const contexts = new Map(loaded.map(({ id, contextTokens }) => [id, contextTokens]))
    return {
      state,
      reason,
      sinceMs,
      tries: status.tries,
      // A file that the engine could not open is no offer.
      offers: (this.#offers ?? [])
        .filter(({ id }) => !failed.has(id))
        .map((offer) => ({ ...offer, contextTokens: contexts.get(offer.id) ?? offer.contextTokens })),
      capacity: this.#capacity,
      facts: {
        processor: processor === '' ? 'CPU' : processor,
        loaded: loaded.map(({ id }) => id).join(', '),
        ...(pid === undefined ? {} : { pid }),
      },
    }
  }
}
