/** Time, as a dependency. Every implementation promises that `monotonic` never goes back and that a cancelled timer never fires. */
import type { MonotonicMs, UnixMs } from '../core/ids.ts'

export interface Timer extends Disposable {
  /** Stops the timer; stopping twice is harmless. */
  cancel(): void
}

export interface Clock {
  now(): UnixMs
  monotonic(): MonotonicMs
  /** Runs `task` once after `delayMs`. A pending timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. Keeps the process alive. */
  sleep(delayMs: number, options: { readonly signal: AbortSignal }): Promise<void>
}
