/** One row a request: who served it and how it went; never what was said. */
import type { KeyId, RequestId, UnixMs } from '../core/ids.ts'

/** What happened to one candidate that was tried. */
export interface AttemptRecord {
  readonly node: string
  readonly runtime: string
  readonly connector: string
  readonly startedMs: number
  readonly endedMs: number
  /** `ok`, or the error code that ended it. */
  readonly outcome: string
}

/** A candidate that the plan left out, and why. */
export interface ExclusionRecord {
  readonly node: string
  readonly runtime: string
  readonly reason: string
}

export interface RequestRecord {
  readonly id: RequestId
  readonly at: UnixMs
  readonly endpoint: string
  readonly model: string
  readonly keyId: KeyId | undefined
  readonly stream: boolean
  /** HTTP status sent to the client. */
  readonly status: number
  /** `ok`, or an error code. */
  readonly outcome: string
  readonly node: string | undefined
  readonly runtime: string | undefined
  readonly candidates: number
  readonly exclusions: readonly ExclusionRecord[]
  readonly attempts: readonly AttemptRecord[]
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  /** From the request's arrival to the first byte sent. */
  readonly firstByteMs: number | undefined
  readonly durationMs: number
  readonly finishReason: string | undefined
}

export interface RequestQuery {
  readonly limit: number
  readonly before?: UnixMs | undefined
  readonly model?: string | undefined
  readonly outcome?: string | undefined
}

/**
 * Every implementation promises that `append` returns at once and never throws: rows wait in a bounded queue, are written in batches,
 * and are dropped and counted when it is full or the disk is.
 */
export interface RequestLog extends AsyncDisposable {
  append(record: RequestRecord): void
  /** Writes what waits; resolves when it is stored or given up. */
  flush(): Promise<void>
  find(id: RequestId): Promise<RequestRecord | undefined>
  latest(query: RequestQuery): Promise<readonly RequestRecord[]>
  /** Deletes rows older than `olderThan` and, of the rest, all but the newest `keep`. */
  prune(olderThan: UnixMs, keep: number): Promise<number>
}
