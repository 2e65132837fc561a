/** Looks after a session as a whole: that the peer says hello, lives, reads, and does not flood. */
import { limit } from '../limits.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Outbox } from './outbox.ts'
import type { SessionEnd } from './session-error.ts'
import type { SessionClock } from './session-options.ts'
import { Vigil } from './vigil.ts'

export interface SessionWatchDeps {
  readonly clock: SessionClock
  readonly outbox: Pick<Outbox, 'ping' | 'isBlocked' | 'sentBytes'>
  /** Whether anything of the peer's answers is still to come. */
  readonly isAwaiting: () => boolean
  /** Called every `meshTickMs`. */
  readonly onTick: (now: number) => void
  /** The session must end. */
  readonly onEnd: (end: SessionEnd) => void
}

export class SessionWatch {
  readonly heartbeat: Heartbeat
  readonly #deps: SessionWatchDeps
  readonly #vigil: Vigil
  readonly #openedAt: number
  #timer: { cancel(): void }
  #hasHello = false
  #refusals = 0
  #idleFrames = 0
  #blockedAt: number | undefined

  constructor(deps: SessionWatchDeps) {
    const { clock, outbox, isAwaiting, onEnd } = deps
    const now = clock.monotonic()
    this.#deps = deps
    this.#openedAt = now
    this.heartbeat = new Heartbeat((token) => outbox.ping(token), now)
    this.#vigil = new Vigil({
      clock,
      outbox,
      isAwaiting,
      ping: () => this.heartbeat.ping(clock.monotonic()),
      onSilent: () => onEnd({ kind: 'silent', what: 'ping' }),
    })
    this.#timer = clock.after(limit('meshTickMs'), this.#onTick)
  }

  gotHello(): void {
    this.#hasHello = true
    if (this.#deps.isAwaiting()) this.#vigil.begin()
  }

  /** A request was sent. Until the peer has said hello, its time for that is what counts. */
  asked(): void {
    if (this.#hasHello) this.#vigil.begin()
  }

  /** Bytes came. */
  received(): void {
    this.#vigil.heard()
  }

  /** A request of the peer was refused; true where that is too many. */
  refused(): boolean {
    this.#refusals += 1
    return this.#refusals > limit('meshRefusals')
  }

  /** A frame came that carries nothing; true where that is too many. */
  idleFrame(): boolean {
    this.#idleFrames += 1
    return this.#idleFrames > limit('meshIdleFrames')
  }

  /** The transport took bytes again. */
  drained(): void {
    this.#blockedAt = undefined
    this.#vigil.heard()
  }

  stop(): void {
    this.#timer.cancel()
    this.#vigil.stop()
  }

  readonly #onTick = (): void => {
    const { clock, onTick, onEnd } = this.#deps
    const now = clock.monotonic()
    this.#timer = clock.after(limit('meshTickMs'), this.#onTick)
    const end = this.#faultAt(now)
    if (end === undefined) onTick(now)
    else onEnd(end)
  }

  #faultAt(now: number): SessionEnd | undefined {
    if (this.#deps.outbox.isBlocked) {
      this.#blockedAt ??= now
      if (now - this.#blockedAt >= limit('drainTimeoutMs')) return { kind: 'silent', what: 'drain' }
    }
    if (!this.#hasHello)
      return now - this.#openedAt >= limit('meshHelloMs') ? { kind: 'silent', what: 'hello' } : undefined
    const state = this.heartbeat.tick(now)
    if (state === 'dead') return { kind: 'silent', what: 'ping' }
    if (state === 'pinged') {
      this.#refusals = 0
      this.#idleFrames = 0
    }
    return undefined
  }
}
