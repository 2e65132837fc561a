/** The machine's own time. */
import { asMonotonicMs, asUnixMs, type MonotonicMs, type UnixMs } from '../../core/ids.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

/** The longest delay that a timer of Node keeps; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

export class SystemClock implements Clock {
  now(): UnixMs {
    return asUnixMs(Date.now())
  }

  monotonic(): MonotonicMs {
    return asMonotonicMs(performance.now())
  }

  after(delayMs: number, task: () => void): Timer {
    const timeout = setTimeout(task, Math.min(delayMs, LONGEST_DELAY_MS)).unref()
    const cancel = (): void => clearTimeout(timeout)
    return { cancel, [Symbol.dispose]: cancel }
  }

  sleep(delayMs: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        clearTimeout(timeout)
        reject(signal.reason)
      }
      const timeout = setTimeout(
        () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
        Math.min(delayMs, LONGEST_DELAY_MS),
      )
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
