/** A runtime that plays a model: its text depends on model, messages and position alone. For tests, demos and benchmarks; never on by default. */
import { bodyOf } from '../../core/byte-channel.ts'
import { HeddleError } from '../../core/errors.ts'
import { asRuntimeId, type RuntimeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { Listeners } from '../../core/listeners.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../core/message.ts'
import type { Endpoint, ModelOffer, RuntimeState } from '../../core/routing/candidate.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Runtime, RuntimeSnapshot } from '../../ports/runtime.ts'
import { readWhole } from './http-exchange.ts'
import { planAnswer } from './script-answer.ts'
import { SCRIPT_DEFAULTS, type ScriptFailure, type ScriptOptions } from './script-options.ts'
import { Places } from './script-places.ts'
import { jsonResponse, type Play, playStream, playWhole, refusalResponse, scriptedError, sleep } from './script-play.ts'
import { embeddingAnswer, SSE_HEADERS } from './script-wire.ts'

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completions',
  '/v1/embeddings': 'embeddings',
}
/** Sampling parameters are taken and change nothing: there is no chance in a script. */
const ACCEPTED = (
  'model messages prompt suffix echo input dimensions encoding_format stream stream_options temperature top_p max_tokens ' +
  'max_completion_tokens stop seed n presence_penalty frequency_penalty logprobs top_logprobs response_format'
).split(' ')
const TOOL_PARAMETERS = ['tools', 'tool_choice', 'parallel_tool_calls']
/** How long a runtime that was told to `kill` itself stays away. */
const KILLED_MS = 1_000

export interface ScriptDeps {
  readonly clock: Clock
}

/** A request being worked on. */
interface Job {
  /** Aborted when the caller leaves, the runtime dies, or the job is over. */
  readonly signal: AbortSignal
  /** Ends the answer with `reason`. */
  stop(reason: unknown): void
  /** Gives back what the job holds; more than once is harmless. */
  release(): void
}

export class ScriptRuntime implements Runtime {
  readonly id: RuntimeId
  readonly kind = 'script'
  readonly location: string
  readonly #clock: Clock
  readonly #options: ScriptOptions
  readonly #offers: readonly ModelOffer[]
  readonly #places: Places
  readonly #jobs = new Set<Job>()
  readonly #listeners = new Set<() => void>()
  readonly #loadListeners = new Listeners()
  #failuresLeft: number
  #revival: Timer | undefined
  #snapshot: RuntimeSnapshot

  constructor({ clock }: ScriptDeps, options: Partial<ScriptOptions> & { readonly model: string }, id?: RuntimeId) {
    this.#clock = clock
    this.#options = { ...SCRIPT_DEFAULTS, ...options }
    this.id = id ?? asRuntimeId(`script:${options.model}`)
    this.location = `script:${options.model}`
    this.#failuresLeft = this.#options.failTimes ?? Number.POSITIVE_INFINITY
    this.#places = new Places(this.#options.capacity)
    this.#offers = [offerOf(this.#options)]
    this.#snapshot = this.#snapshotOf('starting', 'not started yet')
  }

  snapshot(): RuntimeSnapshot {
    return this.#snapshot
  }

  inFlight(): number {
    return this.#jobs.size
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onLoad(listener: () => void): () => void {
    return this.#loadListeners.add(listener)
  }

  start(): void {
    if (this.#snapshot.state === 'starting') this.#enter('ready', '')
  }

  async send(request: MessageRequest, { signal }: { readonly signal: AbortSignal }): Promise<MessageResponse> {
    signal.throwIfAborted()
    if (this.#snapshot.state !== 'ready') {
      throw new HeddleError('runtime_unavailable', `the scripted model is not ready: ${this.#snapshot.reason}`)
    }
    const endpoint = ENDPOINTS[request.path]
    if (endpoint === undefined) return refusalResponse('not_found', 'the scripted model has no such path', null)
    if (request.method !== 'POST') return refusalResponse('method_not_allowed', 'only POST is answered here', null)
    const job = this.#begin(signal)
    try {
      const answer = await this.#answer(endpoint, request, job)
      if ('status' in answer) {
        job.release()
        return answer
      }
      return { status: 200, headers: SSE_HEADERS, body: releasing(answer, job) }
    } catch (error) {
      job.release()
      throw error
    }
  }

  /** A whole answer, or the events of one that streams. */
  async #answer(endpoint: Endpoint, request: MessageRequest, job: Job): Promise<MessageResponse | Events> {
    const { signal } = job
    const body =
      request.body instanceof Uint8Array
        ? request.body
        : await readWhole(request.body ?? bodyOf(), limit('imageBodyBytes'))
    const plan = planAnswer(this.#options, endpoint, body)
    if (plan.kind === 'refused') return refusalResponse(plan.code, plan.message, plan.param)
    const leave = await this.#places.take({ signal })
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    await sleep(this.#clock, this.#options.delayMs, signal)
    if (plan.kind === 'embed') return jsonResponse(200, embeddingAnswer(this.#options.model, plan))
    const play: Play = {
      options: this.#options,
      plan,
      failure: this.#nextFailure(),
      envelope: {
        endpoint,
        id: `${endpoint === 'chat' ? 'chatcmpl' : 'cmpl'}-${request.id}`,
        createdSeconds: Math.floor(this.#clock.now() / 1000),
        model: this.#options.model,
      },
    }
    const deps = { clock: this.#clock, die: () => this.#die() }
    if (!plan.stream) return await playWhole(deps, play, { signal })
    if (play.failure === 'error' && this.#options.failAt === 0) return scriptedError()
    return playStream(deps, play, { signal })
  }

  #begin(signal: AbortSignal): Job {
    const stopper = new AbortController()
    const leave = (): void => stopper.abort(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    const job: Job = {
      signal: stopper.signal,
      stop: (reason) => stopper.abort(reason),
      // Aborting is what gives the place back, also after a good end.
      release: () => {
        if (!this.#jobs.delete(job)) return
        this.#loadListeners.tell()
        signal.removeEventListener('abort', leave)
        stopper.abort(ENDED)
      },
    }
    stopper.signal.addEventListener('abort', () => job.release(), { once: true })
    this.#jobs.add(job)
    this.#loadListeners.tell()
    return job
  }

  #nextFailure(): ScriptFailure | undefined {
    if (this.#options.fail === undefined || this.#failuresLeft <= 0) return undefined
    this.#failuresLeft -= 1
    return this.#options.fail
  }

  #die(): void {
    this.#enter('unhealthy', 'the scripted model was told to die; it comes back in a second')
    this.#revival = this.#clock.after(KILLED_MS, () => this.#enter('ready', ''))
    this.#breakOff('the scripted model died in the middle of its answer')
  }

  #breakOff(message: string): void {
    for (const job of this.#jobs) job.stop(new HeddleError('upstream_interrupted', message))
  }

  #enter(state: RuntimeState, reason: string): void {
    this.#snapshot = this.#snapshotOf(state, reason)
    for (const listener of this.#listeners) listener()
  }

  #snapshotOf(state: RuntimeState, reason: string): RuntimeSnapshot {
    return {
      state,
      reason,
      sinceMs: this.#clock.now(),
      tries: 0,
      offers: this.#offers,
      capacity: this.#options.capacity,
      facts: { scripted: true },
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#revival?.cancel()
    if (this.#snapshot.state !== 'stopped') this.#enter('stopped', 'the runtime was stopped')
    this.#breakOff('the runtime was stopped')
    return Promise.resolve()
  }
}

type Events = AsyncGenerator<Uint8Array, undefined>

/** Why a job's signal is aborted when nothing went wrong. */
const ENDED = new Error('the answer has ended')

function offerOf(options: ScriptOptions): ModelOffer {
  return {
    id: options.model,
    endpoints: ['chat', 'completions', 'embeddings'],
    accepts: { mode: 'only', names: options.tools ? [...ACCEPTED, ...TOOL_PARAMETERS] : ACCEPTED },
    createdSeconds: 0,
    ownedBy: 'script',
    contextTokens: options.contextTokens,
  }
}

/** The events; the job is over at their end, at a failure, and when the reader leaves, even before the first read. */
function releasing(events: Events, job: Job): MessageBody {
  const iterator = {
    async next(): Promise<IteratorResult<Uint8Array, undefined>> {
      try {
        const result = await events.next()
        if (result.done === true) job.release()
        return result
      } catch (error) {
        job.release()
        throw error
      }
    },
    async return(): Promise<IteratorResult<Uint8Array, undefined>> {
      job.release()
      await events.return(undefined)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return iterator
    },
  }
  return iterator
}
