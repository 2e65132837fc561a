/** The few fields of an OpenAI inference request that we route on; everything else passes through as the client sent it. */
import type { Endpoint } from '../routing/candidate.ts'

export interface InferenceRequest {
  readonly endpoint: Endpoint
  /** `/v1/chat/completions`, …: the path at the runtime. */
  readonly path: string
  readonly model: string
  readonly stream: boolean
  /** Whether the client asked for the usage chunk of a stream. */
  readonly includeUsage: boolean
  /** For embeddings: what the client wants back. */
  readonly encodingFormat: 'float' | 'base64' | undefined
  /** Parameters beyond the universally known ones that are set to something other than their neutral value. */
  readonly parameters: readonly string[]
  /** Whether a message carries an image. */
  readonly hasImages: boolean
  /** Upper bound of the answer that the client set, in tokens. */
  readonly maxTokens: number | undefined
  /** How many answers were asked for (`n`). */
  readonly choices: number
  /** Whether the body has a `stream_options` object of its own. */
  readonly hasStreamOptions: boolean
  /** The body as it came. */
  readonly body: Uint8Array
}
