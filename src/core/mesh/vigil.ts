/** Looks closely while an answer is waited for: whether anything at all still comes from the peer. */
import { limit } from '../limits.ts'
import type { Outbox } from './outbox.ts'
import type { SessionClock } from './session-options.ts'

export interface VigilDeps {
  readonly clock: SessionClock
  readonly outbox: Pick<Outbox, 'sentBytes'>
  /** Whether anything of the peer's answers is still to come. */
  readonly isAwaiting: () => boolean
  readonly ping: () => void
  /** Called once: the peer gave no sign of life in time. */
  readonly onSilent: () => void
}

const LOOKS = limit('meshSilentMs') / limit('meshLookMs')
const BYTES_PER_LOOK = (limit('meshSlowBytes') * limit('meshLookMs')) / 1_000

/**
 * A peer that computes answers pings at once, so silence means that it is gone, however long its answers take. Looks are counted
 * and not time: one that comes late because this process stood still is one look, and what came meanwhile is read before the next.
 */
export class Vigil {
  readonly #deps: VigilDeps
  #timer: { cancel(): void } | undefined
  #isHeard = false
  /** Looks since the ping that nothing followed; undefined where none is on its way. */
  #unanswered: number | undefined
  /** Bytes that a slow line would still be carrying: a ping comes after them. */
  #underway = 0
  #sentBytes = 0

  constructor(deps: VigilDeps) {
    this.#deps = deps
  }

  /** A request was sent: where nobody has looked lately, a ping goes with it. */
  begin(): void {
    if (this.#timer !== undefined) return
    this.#isHeard = false
    this.#underway = 0
    this.#sentBytes = this.#deps.outbox.sentBytes
    this.#ping()
    this.#lookLater()
  }

  /** Bytes came, or the transport, which was full, took more. */
  heard(): void {
    this.#isHeard = true
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const { isAwaiting, onSilent } = this.#deps
    const wasClear = this.#carry()
    if (this.#isHeard) {
      this.#isHeard = false
      this.#unanswered = undefined
    } else if (!isAwaiting()) {
      return
    } else if (this.#unanswered === undefined) {
      this.#ping()
    } else if (wasClear) {
      this.#unanswered += 1
      if (this.#unanswered >= LOOKS) return onSilent()
    }
    this.#lookLater()
  }

  /** Reckons with what was sent since the last look; true where even a slow line has carried all of it. */
  #carry(): boolean {
    const { sentBytes } = this.#deps.outbox
    this.#underway = Math.max(0, this.#underway + sentBytes - this.#sentBytes - BYTES_PER_LOOK)
    this.#sentBytes = sentBytes
    return this.#underway === 0
  }

  #ping(): void {
    this.#unanswered = 0
    this.#deps.ping()
  }

  #lookLater(): void {
    this.#timer = this.#deps.clock.after(limit('meshLookMs'), this.#look)
  }
}
