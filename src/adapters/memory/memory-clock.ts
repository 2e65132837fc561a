/** Virtual time for tests and simulations: it moves only when told to. */
import { asMonotonicMs, asUnixMs, type MonotonicMs, type UnixMs } from '../../core/ids.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly task: () => void
}

export class MemoryClock implements Clock {
  readonly #startMs: number
  #elapsedMs = 0
  #order = 0
  readonly #pending = new Set<Pending>()

  /** Starts at 2026-01-01T00:00:00Z unless told otherwise. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
  }

  now(): UnixMs {
    return asUnixMs(this.#startMs + this.#elapsedMs)
  }

  monotonic(): MonotonicMs {
    return asMonotonicMs(this.#elapsedMs)
  }

  after(delayMs: number, task: () => void): Timer {
    const pending: Pending = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, task }
    this.#pending.add(pending)
    const cancel = (): void => void this.#pending.delete(pending)
    return { cancel, [Symbol.dispose]: cancel }
  }

  sleep(delayMs: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        timer.cancel()
        reject(signal.reason)
      }
      const timer = this.after(delayMs, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Timers that have not fired yet. */
  get pending(): number {
    return this.#pending.size
  }

  /** Moves time on and runs what falls due, in order; after each timer, what it resolved runs before time moves again. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await settled()
    for (;;) {
      const due = this.#earliest(endMs)
      if (due === undefined) break
      this.#pending.delete(due)
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs)
      due.task()
      await settled()
    }
    this.#elapsedMs = endMs
  }

  #earliest(endMs: number): Pending | undefined {
    let earliest: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.atMs > endMs) continue
      if (
        earliest === undefined ||
        pending.atMs < earliest.atMs ||
        (pending.atMs === earliest.atMs && pending.order < earliest.order)
      ) {
        earliest = pending
      }
    }
    return earliest
  }
}

/** Lets promise chains that are ready run to their next wait. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
