/** What every runtime behind HTTP has in common: a pool of sockets, requests in flight, and a health loop. */
import { HeddleError } from '../../core/errors.ts'
import { asRuntimeId, type RuntimeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { Listeners } from '../../core/listeners.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Runtime, RuntimeKind, RuntimeSnapshot } from '../../ports/runtime.ts'
import { type Checked, HealthLoop } from './health-loop.ts'
import { exchange, upstreamPool } from './http-exchange.ts'
import { call, type JsonAnswer, type JsonCall } from './json-call.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamUrl } from './upstream-url.ts'

/** Makes a call to the runtime with our headers. */
export type RuntimeCall = (options: Omit<JsonCall, 'url' | 'headers'>) => Promise<JsonAnswer>

export interface HttpRuntimeParts {
  readonly kind: RuntimeKind
  readonly url: UpstreamUrl
  /** Requests that it works on at once, as far as we know. */
  readonly capacity: number
  /** Asks the runtime how it is and what it offers; throws where it cannot serve. */
  readonly check: (call: RuntimeCall, options: { readonly signal: AbortSignal }) => Promise<Checked>
  /** Ours for every request, e.g. `authorization`; read anew each time. */
  readonly headers?: (() => MessageHeaders | undefined) | undefined
  /** Adapts a request to what the runtime understands. */
  readonly prepare?: ((request: MessageRequest) => MessageRequest) | undefined
}

export class HttpRuntime implements Runtime {
  readonly id: RuntimeId
  readonly kind: RuntimeKind
  readonly location: string
  readonly #parts: HttpRuntimeParts
  readonly #pool: Upstream
  readonly #clock: Clock
  readonly #health: HealthLoop
  readonly #loadListeners = new Listeners()
  #inFlight = 0
  readonly #onEnd = (failure: HeddleError | undefined): void => {
    this.#inFlight -= 1
    this.#loadListeners.tell()
    if (failure !== undefined) this.#health.suspect()
  }

  constructor({ clock }: { readonly clock: Clock }, parts: HttpRuntimeParts) {
    this.id = asRuntimeId(`${parts.kind}:${parts.url.text}`)
    this.kind = parts.kind
    this.location = parts.url.text
    this.#parts = parts
    this.#clock = clock
    this.#pool = upstreamPool(parts.url.origin)
    this.#health = new HealthLoop(
      { clock, check: ({ signal }) => parts.check((options) => this.call(options), { signal }) },
      { capacity: parts.capacity },
    )
  }

  snapshot(): RuntimeSnapshot {
    return this.#health.snapshot()
  }

  inFlight(): number {
    return this.#inFlight
  }

  onChange(listener: () => void): () => void {
    return this.#health.onChange(listener)
  }

  onLoad(listener: () => void): () => void {
    return this.#loadListeners.add(listener)
  }

  start(): void {
    this.#health.start()
  }

  send(request: MessageRequest, { signal }: { readonly signal: AbortSignal }): Promise<MessageResponse> {
    const { state, reason } = this.#health.snapshot()
    if (state !== 'ready') {
      return Promise.reject(new HeddleError('runtime_unavailable', `the runtime is ${state}: ${reason}`))
    }
    const { url, headers, prepare } = this.#parts
    this.#inFlight += 1
    this.#loadListeners.tell()
    return exchange({ dispatcher: this.#pool }, prepare === undefined ? request : prepare(request), {
      origin: url.origin,
      pathPrefix: url.pathPrefix,
      headers: headers?.(),
      signal,
      headersTimeoutMs: limit('firstByteTimeoutMs'),
      bodyTimeoutMs: limit('tokenGapMs'),
      onEnd: this.#onEnd,
    })
  }

  /** A call besides inference; rejects with a HeddleError where no answer came. */
  protected call(options: Omit<JsonCall, 'url' | 'headers'>): Promise<JsonAnswer> {
    const { url, headers } = this.#parts
    return call({ dispatcher: this.#pool, clock: this.#clock }, { ...options, url, headers: headers?.() })
  }

  /** An exchange besides inference whose answer is read as it comes. */
  protected stream(
    request: MessageRequest,
    options: { readonly signal: AbortSignal; readonly bodyTimeoutMs: number },
  ): Promise<MessageResponse> {
    const { url, headers } = this.#parts
    return exchange({ dispatcher: this.#pool }, request, {
      origin: url.origin,
      pathPrefix: url.pathPrefix,
      headers: headers?.(),
      headersTimeoutMs: limit('firstByteTimeoutMs'),
      ...options,
    })
  }

  /** Looks again soon rather than at the next interval, because something is known to have changed. */
  protected recheck(): void {
    this.#health.suspect()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#health[Symbol.dispose]()
    if (!this.#pool.destroyed) await this.#pool.destroy()
  }
}
