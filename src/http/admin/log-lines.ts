/** Lines of the log as one reader gets them: the past, then what comes, with a note about what it was too slow for. */
import { limit } from '../../core/limits.ts'
import { LOG_LEVELS, type LogLine, type LogsQuery } from '../../core/wire/admin.ts'
import type { AppDeps } from './deps.ts'
import { timestampOf } from './views.ts'

/** Ends after the past, or with `follow` when the signal aborts. The subscription ends with it. */
export async function* logLines(
  { logs, clock }: Pick<AppDeps, 'logs' | 'clock'>,
  query: LogsQuery,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<LogLine> {
  const wanted = (line: LogLine): boolean => isWanted(line, query)
  const past =
    query.tail === 0
      ? []
      : logs
          .recent({ limit: limit('logRingItems') })
          .filter(wanted)
          .slice(-query.tail)
  if (!query.follow) {
    yield* past
    return
  }
  const waiting = new WaitingLines()
  // Nothing is logged between the reading above and this line: both happen in one turn of the event loop.
  const unsubscribe = logs.subscribe((line) => {
    if (wanted(line)) waiting.add(line)
  })
  const wake = (): void => waiting.wake()
  signal.addEventListener('abort', wake, { once: true })
  try {
    yield* past
    while (!signal.aborted) {
      const { lines, skipped } = waiting.take()
      if (skipped > 0) yield { time: timestampOf(clock.now()), level: 'warn', msg: 'lines skipped', skipped }
      yield* lines
      if (lines.length === 0) await waiting.more()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', wake)
  }
}

function isWanted(line: LogLine, { level, component, requestId }: LogsQuery): boolean {
  if (LOG_LEVELS.indexOf(line.level) < LOG_LEVELS.indexOf(level)) return false
  if (component !== undefined && line['component'] !== component) return false
  return requestId === undefined || line['requestId'] === requestId
}

/** A bounded queue with one reader; the oldest go first when it is full. */
class WaitingLines {
  #lines: LogLine[] = []
  #skipped = 0
  #waiter: PromiseWithResolvers<void> | undefined

  add(line: LogLine): void {
    if (this.#lines.length >= limit('logStreamItems')) {
      this.#lines.shift()
      this.#skipped += 1
    }
    this.#lines.push(line)
    this.wake()
  }

  take(): { readonly lines: readonly LogLine[]; readonly skipped: number } {
    const taken = { lines: this.#lines, skipped: this.#skipped }
    this.#lines = []
    this.#skipped = 0
    return taken
  }

  wake(): void {
    this.#waiter?.resolve()
    this.#waiter = undefined
  }

  /** Resolves when a line waits or somebody wakes the reader. */
  async more(): Promise<void> {
    if (this.#lines.length > 0) return
    this.#waiter = Promise.withResolvers()
    await this.#waiter.promise
  }
}
