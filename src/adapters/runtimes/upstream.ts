/** What the HTTP clients towards runtimes have in common: an exchange, the pool that carries it, the headers that pass. */
import type { HeddleError } from '../../core/errors.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'

export interface ExchangeOptions {
  /** Scheme, host and port, e.g. `http://127.0.0.1:8000`. */
  readonly origin: string
  /** Put before the request's path, without a trailing slash; empty by default. */
  readonly pathPrefix?: string | undefined
  /** Our own request headers, e.g. `authorization`; lower-case names. They win over the request's. */
  readonly headers?: MessageHeaders | undefined
  readonly signal: AbortSignal
  /** From the request's last byte to the response's head. */
  readonly headersTimeoutMs: number
  /** The longest silence inside the body. */
  readonly bodyTimeoutMs: number
  /** Called once when the exchange is over, with the HeddleError that broke it, if one did; an abort is no such thing. */
  readonly onEnd?: ((failure: HeddleError | undefined) => void) | undefined
}

/** Kept-alive sockets to one server, one exchange a socket at a time. Whoever made it destroys it. */
export interface Upstream {
  readonly destroyed: boolean
  /** As `exchange` of http-exchange.ts promises, for a signal that is not aborted yet. */
  exchange(request: MessageRequest, options: ExchangeOptions): Promise<MessageResponse>
  /** Closes all sockets; what is under way, or waits for a socket, fails with `error` where it is a HeddleError. */
  destroy(error?: Error): Promise<void>
}

/** Headers of the request that a runtime may need; the client's credentials and cookies are never among them. */
export const FORWARDED_HEADERS = ['content-type', 'accept', 'traceparent', 'tracestate'] as const
/** A longer `x-…` header of the response is dropped: it would be copied into every answer. */
export const KEPT_EXTENSION_CHARACTERS = 256
export const KEPT_EXTENSIONS = 16
