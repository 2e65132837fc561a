/** What the streaming load client is asked and what it answers. */
import type { StreamModel } from '../mock-upstream/openai-shapes.ts'

export interface StreamJob {
  /** Ports on loopback, used in turn. */
  readonly ports: readonly number[]
  readonly headers: Readonly<Record<string, string>>
  readonly model: StreamModel
  readonly connections: number
  /** Over how long the connections are opened. */
  readonly rampMs: number
  /** New streams are begun for this long; 0 means one stream on each connection. Those begun are always read to their end. */
  readonly durationMs: number
}

export interface StreamResult {
  readonly streams: number
  /** Streams whose every frame was intact, with one `[DONE]` and a complete HTTP body. */
  readonly intactStreams: number
  readonly framesIntact: number
  readonly framesLost: number
  readonly framesWrong: number
  /** Answers that were no stream, and broken connections. */
  readonly errors: number
  /** The first few error messages, for the reader of the table. */
  readonly errorSamples: readonly string[]
  readonly elapsedMs: number
  /** Streams that had begun to answer and had not ended, at most. */
  readonly mostAtOnce: number
  readonly firstFrameP50Ms: number
  readonly firstFrameP99Ms: number
  readonly streamP50Ms: number
}
