/** The HTTP-shaped request and response that travel between a gateway and a provider, whatever connector carries them. */
import type { RequestId } from './ids.ts'

/** Header names are lower case; a repeated header is joined with `, `. */
export type MessageHeaders = Readonly<Record<string, string>>

/** A body as it arrives. Whoever received it must read it to its end or abort the request's signal. */
export type MessageBody = AsyncIterable<Uint8Array>

export interface MessageRequest {
  readonly id: RequestId
  /** The service asked for; `llm` first of all. */
  readonly service: string
  readonly method: string
  /** Path and query as the service sees them, e.g. `/v1/chat/completions`. */
  readonly path: string
  readonly headers: MessageHeaders
  /** Whole where the sender had to read it anyway, a stream otherwise. */
  readonly body: Uint8Array | MessageBody | undefined
}

export interface MessageResponse {
  readonly status: number
  readonly headers: MessageHeaders
  readonly body: MessageBody
}
