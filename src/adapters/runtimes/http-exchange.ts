/** One HTTP exchange with a runtime over undici: the hot path of every request that leaves this process. */
import { Readable } from 'node:stream'
import { type Dispatcher, errors, Pool } from 'undici'
import { ByteChannel, type ByteChannelOptions } from '../../core/byte-channel.ts'
import { type ErrorCode, HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageBody, MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'

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

/** Headers of the request that a runtime may need; the client's credentials and cookies are never among them. */
const FORWARDED_HEADERS = ['content-type', 'accept', 'traceparent', 'tracestate'] as const
/** Headers of the response that a gateway needs besides `x-…`. */
const KEPT_HEADERS = ['content-type', 'content-length', 'retry-after', 'retry-after-ms'] as const
/** A longer `x-…` header is dropped: it would be copied into every answer. */
const KEPT_EXTENSION_CHARACTERS = 256
const KEPT_EXTENSIONS = 16

/**
 * Sends `request` and resolves with the head of the answer, whatever its status; redirects are answers like any other.
 * Rejects with `runtime_unavailable` where no connection came about, `timeout` where no head came in time and `upstream_failed`
 * where the connection broke before it; a cut after the head makes the body throw `upstream_interrupted`.
 * Aborting `signal` closes the socket at once and rejects the promise, or the body, with the signal's reason.
 */
export function exchange(
  { dispatcher }: { readonly dispatcher: Dispatcher },
  request: MessageRequest,
  options: ExchangeOptions,
): Promise<MessageResponse> {
  if (options.signal.aborted) {
    options.onEnd?.(undefined)
    return Promise.reject(options.signal.reason as Error)
  }
  return new Promise((resolve, reject) => {
    const dispatch: Dispatcher.DispatchOptions = {
      origin: options.origin,
      path: options.pathPrefix === undefined ? request.path : options.pathPrefix + request.path,
      method: request.method,
      headers: requestHeaders(request.headers, options.headers),
      body: requestBody(request.body),
      headersTimeout: options.headersTimeoutMs,
      bodyTimeout: options.bodyTimeoutMs,
    }
    dispatcher.dispatch(dispatch, new ExchangeHandler({ dispatcher, dispatch, resolve, reject }, options))
  })
}

interface Exchange {
  readonly dispatcher: Dispatcher
  readonly dispatch: Dispatcher.DispatchOptions
  readonly resolve: (response: MessageResponse) => void
  readonly reject: (error: unknown) => void
}

/** undici's handler, the abort listener and the channel's options in one object, since one is made for every request. */
class ExchangeHandler implements Dispatcher.DispatchHandler, ByteChannelOptions {
  readonly highWaterBytes = limit('channelBytes')
  readonly #exchange: Exchange
  readonly #signal: AbortSignal
  readonly #onEnd: ExchangeOptions['onEnd']
  #controller: Dispatcher.DispatchController | undefined
  #channel: ByteChannel | undefined
  #done = false
  #repeated = false

  constructor(exchange: Exchange, { signal, onEnd }: ExchangeOptions) {
    this.#exchange = exchange
    this.#signal = signal
    this.#onEnd = onEnd
    signal.addEventListener('abort', this)
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.#stop(this.#signal.reason)
  }

  onDrain(): void {
    if (!this.#done) this.#controller?.resume()
  }

  /** The reader of the body left before its end. */
  onCancel(): void {
    this.#stop(new Error('the reader of the answer left'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // The request may have waited for a socket, and the caller left meanwhile.
    if (this.#done) controller.abort(new Error('the caller left'))
    else this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: HeaderFields): void {
    if (status < 200 || this.#done) return
    if (isEncoded(headers['content-encoding'])) {
      controller.abort(
        new HeddleError('upstream_failed', 'the runtime compressed its answer although it was not asked to'),
      )
      return
    }
    this.#channel = new ByteChannel(this)
    this.#exchange.resolve({ status, headers: responseHeaders(headers), body: this.#channel })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#channel?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish()
    this.#channel?.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#done) return
    const channel = this.#channel
    if (channel === undefined && !this.#repeated && this.#wasStale(error)) {
      this.#repeated = true
      this.#controller = undefined
      // Not from inside undici's own clearing up.
      setImmediate(() => {
        if (!this.#done) this.#exchange.dispatcher.dispatch(this.#exchange.dispatch, this)
      })
      return
    }
    const failure = channel === undefined ? failureOf(error, this.#controller !== undefined) : interruptionOf(error)
    this.#finish(failure)
    if (channel === undefined) this.#exchange.reject(failure)
    else channel.fail(failure)
  }

  /**
   * Whether a socket that had carried answers before was closed without one. Most likely the server closed it as idle just as we
   * used it; should it have died of the request instead, one more try finds nobody there.
   */
  #wasStale(error: Error): boolean {
    const { body } = this.#exchange.dispatch
    return error instanceof errors.SocketError && (error.socket?.bytesRead ?? 0) > 0 && !(body instanceof Readable)
  }

  #stop(reason: unknown): void {
    if (this.#done) return
    this.#finish()
    if (this.#channel === undefined) this.#exchange.reject(reason)
    else this.#channel.fail(reason)
    this.#controller?.abort(reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
  }

  #finish(failure?: HeddleError): void {
    this.#done = true
    this.#signal.removeEventListener('abort', this)
    this.#onEnd?.(failure)
  }
}

type HeaderFields = Readonly<Record<string, string | string[] | undefined>>

function requestHeaders(theirs: MessageHeaders, ours: MessageHeaders | undefined): string[] {
  const fields: string[] = []
  for (const name of FORWARDED_HEADERS) {
    const value = theirs[name]
    if (value !== undefined && ours?.[name] === undefined) fields.push(name, value)
  }
  if (ours !== undefined) for (const name in ours) fields.push(name, ours[name] as string)
  return fields
}

function requestBody(body: MessageRequest['body']): Uint8Array | Readable | null {
  if (body === undefined) return null
  return body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false })
}

function responseHeaders(fields: HeaderFields): MessageHeaders {
  const kept: Record<string, string> = {}
  for (const name of KEPT_HEADERS) {
    const value = fields[name]
    if (value !== undefined) kept[name] = typeof value === 'string' ? value : value.join(', ')
  }
  let extensions = 0
  for (const name in fields) {
    if (!name.startsWith('x-')) continue
    const value = fields[name]
    if (typeof value !== 'string' || value.length > KEPT_EXTENSION_CHARACTERS) continue
    kept[name] = value
    extensions += 1
    if (extensions === KEPT_EXTENSIONS) break
  }
  return kept
}

function isEncoded(encoding: string | string[] | undefined): boolean {
  return encoding !== undefined && encoding !== 'identity' && encoding !== ''
}

/** What went wrong before the head: `sent` says whether a socket had taken the request. */
function failureOf(error: Error, sent: boolean): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const [row, what] = ((): readonly [ErrorCode, string] => {
    if (code === 'UND_ERR_INVALID_ARG') return ['internal', 'the request for the runtime is malformed']
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return ['timeout', 'the runtime sent no answer in time']
    if (!sent) return ['runtime_unavailable', 'the runtime cannot be reached']
    return ['upstream_failed', 'the runtime broke off before it answered']
  })()
  return new HeddleError(row, code === '' ? what : `${what} (${code})`, { cause: error })
}

function interruptionOf(error: Error): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const what =
    code === 'UND_ERR_BODY_TIMEOUT'
      ? 'the runtime went silent in the middle of its answer'
      : 'the runtime broke off its answer'
  return new HeddleError('upstream_interrupted', code === '' ? what : `${what} (${code})`, { cause: error })
}

/** undici's or the operating system's code; an AggregateError of several addresses has it on its parts. */
function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return codeOf(error.errors[0])
  return ''
}

/** Where a pool connects to: an origin, or a Unix socket or named pipe. */
export type UpstreamTarget = string | { readonly socketPath: string }

export interface UpstreamPoolOptions {
  /** Sockets at most; `LIMITS.upstreamConnections` by default. */
  readonly connections?: number | undefined
}

/** The origin to give `exchange` for a target. */
export function originOf(target: UpstreamTarget): string {
  return typeof target === 'string' ? target : 'http://localhost'
}

/** A keep-alive pool for one runtime: one request a socket at a time. Whoever makes it destroys it. */
export function upstreamPool(target: UpstreamTarget, options: UpstreamPoolOptions = {}): Pool {
  return new Pool(originOf(target), {
    ...(typeof target === 'string' ? {} : { socketPath: target.socketPath }),
    connections: Math.min(options.connections ?? limit('upstreamConnections'), limit('upstreamConnections')),
    pipelining: 1,
    allowH2: false,
    connectTimeout: limit('connectTimeoutMs'),
    headersTimeout: limit('firstByteTimeoutMs'),
    bodyTimeout: limit('tokenGapMs'),
    maxHeaderSize: limit('headerBytes'),
  })
}

/** A whole body of at most `maxBytes`; throws `upstream_failed` beyond that. */
export async function readWhole(body: MessageBody, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes)
      throw new HeddleError('upstream_failed', `the runtime answered more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, sizeBytes)
}
