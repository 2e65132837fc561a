/** One generic HTTP service of this node: how it is, what it works on, and the way to it. */
import { HeddleError } from '../core/errors.ts'
import type { UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { RuntimeState } from '../core/routing/candidate.ts'
import type { ServiceDefinition } from '../core/routing/service-definition.ts'
import { isBelowPrefix } from '../core/routing/service-path.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { SendOptions } from '../ports/connector.ts'
import type { ServiceForwarder } from '../ports/service-forwarder.ts'

/** How a service is; a new object whenever something in it changed. */
export interface ServiceSnapshot {
  readonly state: RuntimeState
  /** Why it is not ready, for people; empty when it is. */
  readonly reason: string
  readonly since: UnixMs
}

export interface LocalServiceDeps {
  readonly clock: Clock
  readonly forwarder: ServiceForwarder
  readonly onChange: (what: 'load' | 'description') => void
}

/** Checks its service from `start` until it is disposed; disposing it closes the forwarder. */
export class LocalService implements AsyncDisposable {
  readonly definition: ServiceDefinition
  readonly #deps: LocalServiceDeps
  readonly #stop = new AbortController()
  #snapshot: ServiceSnapshot
  #timer: Timer | undefined
  #failures = 0
  #inFlight = 0

  constructor(deps: LocalServiceDeps, definition: ServiceDefinition) {
    this.#deps = deps
    this.definition = definition
    this.#snapshot = { state: 'starting', reason: 'not checked yet', since: deps.clock.now() }
  }

  get snapshot(): ServiceSnapshot {
    return this.#snapshot
  }

  /** Requests being worked on now, whoever asked. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Begins to check it; resolves after the first check, whatever that found. */
  start(): Promise<void> {
    return this.#check()
  }

  async send(request: MessageRequest, { signal }: SendOptions): Promise<MessageResponse> {
    const { name, paths } = this.definition
    if (!isBelowPrefix(request.path, paths))
      throw new HeddleError('not_found', `the service "${name}" has no such path`, { fix: 'heddle services ls' })
    const { state, reason } = this.#snapshot
    if (state !== 'ready') throw new HeddleError('runtime_unavailable', `the service "${name}" is ${state}: ${reason}`)
    this.#count(1)
    let isOver = false
    const onEnd = (): void => {
      if (!isOver) this.#count(-1)
      isOver = true
    }
    try {
      return await this.#deps.forwarder.send(request, { signal, onEnd })
    } catch (error) {
      onEnd()
      if (!signal.aborted) this.#suspect()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#timer?.cancel()
    this.#stop.abort(new HeddleError('runtime_unavailable', 'the service was removed'))
    this.#enter('stopped', 'the service was removed')
    await this.#deps.forwarder[Symbol.asyncDispose]()
  }

  /** Looks soon rather than at the next interval, because a request has just failed. */
  #suspect(): void {
    if (this.#snapshot.state === 'ready') this.#schedule(limit('registrationIntervalMs'))
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel()
    if (!this.#stop.signal.aborted) this.#timer = this.#deps.clock.after(delayMs, () => void this.#check())
  }

  async #check(): Promise<void> {
    const { clock, forwarder } = this.#deps
    const late = new AbortController()
    using _deadline = clock.after(limit('healthTimeoutMs'), () =>
      late.abort(new HeddleError('timeout', `no answer within ${limit('healthTimeoutMs')} ms`)),
    )
    try {
      await forwarder.check({ signal: AbortSignal.any([this.#stop.signal, late.signal]) })
      this.#failures = 0
      if (!this.#stop.signal.aborted) this.#enter('ready', '')
    } catch (error) {
      // Whatever went wrong is the answer to the check.
      if (this.#stop.signal.aborted) return
      this.#failures += 1
      const reason = error instanceof Error ? error.message : String(error)
      // One bad check of a ready service may be chance.
      if (this.#snapshot.state !== 'ready' || this.#failures >= limit('healthFailures'))
        this.#enter('unhealthy', reason)
    }
    const isQuiet = this.#snapshot.state === 'ready' && this.#failures === 0
    this.#schedule(isQuiet ? limit('healthIntervalMs') : limit('registrationIntervalMs'))
  }

  #enter(state: RuntimeState, reason: string): void {
    const before = this.#snapshot
    if (before.state === state && before.reason === reason) return
    this.#snapshot = { state, reason, since: before.state === state ? before.since : this.#deps.clock.now() }
    this.#deps.onChange('description')
  }

  #count(by: 1 | -1): void {
    this.#inFlight += by
    this.#deps.onChange('load')
  }
}
