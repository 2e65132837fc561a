/** Virtual time for tests and simulations: it moves only when told to. */
import { asMonotonicMs, asUnixMs, type MonotonicMs, type UnixMs } from '../../core/ids.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

interface Pending {
  readonly atMs: number
  readonly order: number
  /** Undefined once it ran or was cancelled. */
  task: (() => void) | undefined
}

export class MemoryClock implements Clock {
  readonly #startMs: number
  #elapsedMs = 0
  #order = 0
  /** A binary heap: the task at `i` is due no later than those at `2i + 1` and `2i + 2`. Cancelled ones stay until they would fire. */
  readonly #heap: Pending[] = []
  #waiting = 0

  /** Starts at 2026-01-01T00:00:00Z unless told otherwise. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
  }

  now(): UnixMs {
    // Whole milliseconds, as the system's clock gives them.
    return asUnixMs(Math.floor(this.#startMs + this.#elapsedMs))
  }

  monotonic(): MonotonicMs {
    return asMonotonicMs(this.#elapsedMs)
  }

  after(delayMs: number, task: () => void): Timer {
    const pending: Pending = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, task }
    this.#push(pending)
    this.#waiting += 1
    const cancel = (): void => {
      if (pending.task !== undefined) this.#waiting -= 1
      pending.task = undefined
    }
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
    return this.#waiting
  }

  /** Moves time on and runs what falls due, in order; after each timer, what it resolved runs before time moves again. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await settled()
    for (let due = this.#pop(endMs); due !== undefined; due = this.#pop(endMs)) {
      const { task } = due
      if (task === undefined) continue
      due.task = undefined
      this.#waiting -= 1
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs)
      task()
      await settled()
    }
    this.#elapsedMs = endMs
  }

  #push(pending: Pending): void {
    let at = this.#heap.push(pending) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(this.#heap[parent] as Pending, pending)) break
      this.#heap[at] = this.#heap[parent] as Pending
      at = parent
    }
    this.#heap[at] = pending
  }

  /** Takes the earliest one that is due by `endMs`. */
  #pop(endMs: number): Pending | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.atMs > endMs) return undefined
    const last = this.#heap.pop() as Pending
    if (last === first) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const right = left + 1
      const child =
        right < this.#heap.length && isBefore(this.#heap[right] as Pending, this.#heap[left] as Pending) ? right : left
      if (child >= this.#heap.length || isBefore(last, this.#heap[child] as Pending)) break
      this.#heap[at] = this.#heap[child] as Pending
      at = child
    }
    this.#heap[at] = last
    return first
  }
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** Lets promise chains that are ready run to their next wait. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
