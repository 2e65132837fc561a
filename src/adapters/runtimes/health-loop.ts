/** Keeps asking a runtime how it is: registers it, watches it, withdraws it and takes it back. */
import { isDeepStrictEqual } from 'node:util'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { ModelOffer, RuntimeState } from '../../core/routing/candidate.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { RuntimeSnapshot } from '../../ports/runtime.ts'

/** What a check that went well found. */
export interface Checked {
  readonly offers: readonly ModelOffer[]
  readonly facts: RuntimeSnapshot['facts']
}

export interface HealthLoopDeps {
  readonly clock: Clock
  /** Throws where the runtime cannot serve; the error's message says why, for people. */
  readonly check: (options: { readonly signal: AbortSignal }) => Promise<Checked>
}

const REASON_CHARACTERS = 300

/**
 * Until the first good check it tries every `registrationIntervalMs`, `registrationRetries` times, then every `healthIntervalMs`.
 * A ready runtime is checked every `healthIntervalMs`, sooner while it is under suspicion, and is `unhealthy` after `healthFailures`
 * bad checks in a row; its offers are kept, since it is expected back. The first good check makes it ready again. It never gives up.
 */
export class HealthLoop implements Disposable {
  readonly #deps: HealthLoopDeps
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  #snapshot: RuntimeSnapshot
  #timer: Timer | undefined
  #started = false
  #checking = false
  /** Bad checks in a row. */
  #failures = 0
  #lastCheckMs = Number.NEGATIVE_INFINITY

  constructor(deps: HealthLoopDeps, { capacity }: { readonly capacity: number }) {
    this.#deps = deps
    this.#snapshot = {
      state: 'starting',
      reason: 'not started yet',
      sinceMs: deps.clock.now(),
      tries: 0,
      offers: [],
      capacity,
      facts: {},
    }
  }

  snapshot(): RuntimeSnapshot {
    return this.#snapshot
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Begins; returns at once. */
  start(): void {
    if (this.#started || this.#stop.signal.aborted) return
    this.#started = true
    void this.#check()
  }

  /** Checks now rather than at the next interval, because a request has just failed to get through. */
  suspect(): void {
    if (this.#snapshot.state !== 'ready' || this.#checking) return
    const sinceMs = this.#deps.clock.monotonic() - this.#lastCheckMs
    this.#schedule(Math.max(0, limit('registrationIntervalMs') - sinceMs))
  }

  [Symbol.dispose](): void {
    if (this.#stop.signal.aborted) return
    this.#timer?.cancel()
    this.#stop.abort(new HeddleError('runtime_unavailable', 'the runtime was stopped'))
    this.#enter('stopped', { reason: 'the runtime was stopped' })
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#deps.clock.after(delayMs, () => void this.#check())
  }

  async #check(): Promise<void> {
    this.#checking = true
    try {
      const { offers, facts } = await this.#deps.check({ signal: this.#stop.signal })
      if (this.#stop.signal.aborted) return
      this.#failures = 0
      this.#enter('ready', { reason: '', tries: 0, offers, facts })
    } catch (error) {
      // Whatever went wrong in a check is the answer to it: the runtime cannot be used now, and the snapshot says why.
      if (this.#stop.signal.aborted) return
      this.#failed(reasonOf(error))
    } finally {
      this.#checking = false
      this.#lastCheckMs = this.#deps.clock.monotonic()
    }
    this.#schedule(this.#intervalMs())
  }

  #failed(reason: string): void {
    this.#failures += 1
    const { state, tries } = this.#snapshot
    switch (state) {
      case 'starting':
        this.#enter(tries + 1 >= limit('registrationRetries') ? 'unhealthy' : 'starting', { reason, tries: tries + 1 })
        break
      case 'ready':
        if (this.#failures >= limit('healthFailures')) this.#enter('unhealthy', { reason, tries: this.#failures })
        break
      case 'unhealthy':
        this.#enter('unhealthy', { reason, tries: tries + 1 })
        break
      case 'stopped':
        break
      default:
        state satisfies never
    }
  }

  /** Often while something is expected to change, seldom else. */
  #intervalMs(): number {
    const { state, tries } = this.#snapshot
    const isQuiet = state === 'ready' ? this.#failures === 0 : tries >= limit('registrationRetries')
    return isQuiet ? limit('healthIntervalMs') : limit('registrationIntervalMs')
  }

  #enter(state: RuntimeState, change: Partial<RuntimeSnapshot>): void {
    const before = this.#snapshot
    const sinceMs = state === before.state ? before.sinceMs : this.#deps.clock.now()
    const next = { ...before, ...change, state, sinceMs }
    if (isDeepStrictEqual(next, before)) return
    this.#snapshot = next
    for (const listener of this.#listeners) listener()
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, REASON_CHARACTERS)
}
