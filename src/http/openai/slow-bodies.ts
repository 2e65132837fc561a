/** Gives up on request bodies that trickle in: one timer for all of them. */

import type { MonotonicMs } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

export interface WatchedBody {
  /** Bytes here so far. */
  received(): number
  tooSlow(): void
}

interface Entry {
  readonly body: WatchedBody
  readonly since: MonotonicMs
}

/** Checks every `bodyCheckIntervalMs` while something is watched. */
export class SlowBodies implements Disposable {
  readonly #clock: Clock
  readonly #entries = new Set<Entry>()
  #timer: Timer | undefined

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** Watches until the result is disposed or the body was told that it is too slow. */
  watch(body: WatchedBody): Disposable {
    const entry = { body, since: this.#clock.monotonic() }
    this.#entries.add(entry)
    this.#timer ??= this.#clock.after(limit('bodyCheckIntervalMs'), () => this.#check())
    return { [Symbol.dispose]: () => this.#entries.delete(entry) }
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#entries.clear()
  }

  #check(): void {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    for (const entry of this.#entries) {
      const ageMs = now - entry.since
      const wantedBytes = ((ageMs - limit('bodyGraceMs')) / 1000) * limit('bodyMinBytesPerSecond')
      if (ageMs <= limit('bodyTimeoutMs') && entry.body.received() >= wantedBytes) continue
      this.#entries.delete(entry)
      entry.body.tooSlow()
    }
    if (this.#entries.size > 0) this.#timer = this.#clock.after(limit('bodyCheckIntervalMs'), () => this.#check())
  }
}
