/** A client's request as the gateway takes it, and the way back to that client. The HTTP layer implements both. */
import type { MonotonicMs, NodeId, RequestId } from '../core/ids.ts'
import type { Endpoint } from '../core/routing/candidate.ts'
import type { Caller } from '../ports/admission.ts'

export interface InboundBody {
  readonly bytes: Uint8Array
  readonly json: unknown
}

export interface Inbound {
  readonly id: RequestId
  readonly endpoint: Endpoint
  readonly caller: Caller
  /** The one node that may answer; undefined for any. */
  readonly node: NodeId | undefined
  readonly arrivedAt: MonotonicMs
  /** Reads the whole body once; throws `malformed_json`, `payload_too_large` or `request_timeout`. */
  readBody(): Promise<InboundBody>
}

/** Name and value in turn, as `writeHead` takes them. */
export type HeaderPairs = readonly string[]

export interface Reply {
  /** Whether a status was sent: from then on only the body can tell of a failure. */
  readonly started: boolean
  /** Sends a whole answer. */
  whole(status: number, headers: HeaderPairs, body: Uint8Array): void
  /** Begins a streamed answer. */
  head(status: number, headers: HeaderPairs): void
  /** False: the client reads slower than we write; wait for `drained`. */
  write(bytes: Uint8Array): boolean
  /** Resolves when the client has caught up; rejects when it takes nothing for too long or has gone. */
  drained(): Promise<void>
  end(bytes: Uint8Array): void
}
