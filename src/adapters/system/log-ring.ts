/** The newest log records in memory, for `heddle logs`. */
import { limit } from '../../core/limits.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** One record as logged: `time` is ISO 8601 UTC, `msg` the constant message; the fields stand beside them. */
export interface LogRecord {
  readonly level: LogLevel
  readonly time: string
  readonly msg: string
  readonly [field: string]: unknown
}

export interface LogFilter {
  /** This level and the graver ones; everything by default. */
  readonly level?: LogLevel | undefined
  /** Only records of this request. */
  readonly requestId?: string | undefined
  /** The newest so many. */
  readonly limit?: number | undefined
}

/** Whether `record` passes `filter` (its `limit` aside). */
export function matchesFilter(record: LogRecord, { level, requestId }: LogFilter): boolean {
  if (level !== undefined && LOG_LEVELS.indexOf(record.level) < LOG_LEVELS.indexOf(level)) return false
  return requestId === undefined || record['requestId'] === requestId
}

export class LogRing {
  readonly #lines: string[] = []
  readonly #size: number
  #next = 0
  readonly #listeners = new Set<(record: LogRecord) => void>()

  constructor(size: number = limit('logRingItems')) {
    this.#size = size
  }

  /** Takes one record as a line of JSON; kept as text, so that nothing a record names stays alive in memory. */
  push(line: string): void {
    this.#lines[this.#next] = line
    this.#next = (this.#next + 1) % this.#size
    if (this.#listeners.size === 0) return
    const record = JSON.parse(line) as LogRecord
    for (const listener of this.#listeners) listener(record)
  }

  /** Records that pass the filter, oldest first. */
  recent(filter: LogFilter = {}): readonly LogRecord[] {
    const oldestFirst = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)]
    const matching = oldestFirst
      .map((line) => JSON.parse(line) as LogRecord)
      .filter((record) => matchesFilter(record, filter))
    return filter.limit === undefined ? matching : matching.slice(Math.max(0, matching.length - filter.limit))
  }

  /** Calls `listener` with each new record until the result is called. It must not log and must not throw. */
  subscribe(listener: (record: LogRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}
