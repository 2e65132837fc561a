/** What is counted about requests and runtimes. Labels are few and bounded: model, outcome, direction; never a key, node or request id. */
import type { ConnectorKind } from '../core/routing/candidate.ts'

export interface RequestMeasure {
  readonly model: string
  readonly operation: 'chat' | 'text_completion' | 'embeddings'
  readonly stream: boolean
  /** `ok` or an error code. */
  readonly outcome: string
  readonly durationMs: number
  readonly firstByteMs: number | undefined
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  readonly attempts: number
  /** What carried the request to who answered it; undefined where nobody did. */
  readonly connector: ConnectorKind | undefined
}

export interface Metrics {
  /** A request has started; call the result once when it has ended. */
  requestStarted(): (measure: RequestMeasure) => void
  routeDecided(reason: string, outcome: 'planned' | 'refused'): void
  /** A candidate failed and another is tried, or the stream broke. */
  attemptFailed(stage: 'before_first_byte' | 'after_first_byte'): void
  requestLogDropped(rows: number): void
  /** Events that were to go to the operator's analytics and did not. */
  eventsDropped(events: number): void
  runtimeState(runtime: string, ready: boolean): void
}
