/** Looks after a session as a whole: that the peer says hello, lives, reads, and does not flood. */
import { limit } from '../limits.ts'
import { Heartbeat } from './heartbeat.ts'
import type { SessionEnd } from './session-error.ts'

export class SessionWatch {
  readonly heartbeat: Heartbeat
  readonly #openedAt: number
  #hasHello = false
  #refusals = 0
  #idleFrames = 0
  #blockedAt: number | undefined

  constructor(sendPing: (token: number) => void, now: number) {
    this.#openedAt = now
    this.heartbeat = new Heartbeat(sendPing, now)
  }

  gotHello(): void {
    this.#hasHello = true
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
  }

  /** To be called every `meshTickMs`; says why the session must end, if it must. */
  tick(now: number, isBlocked: boolean): SessionEnd | undefined {
    if (isBlocked) {
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
