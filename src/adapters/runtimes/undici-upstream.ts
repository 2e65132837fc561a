/** The HTTP client for `https://` runtimes, on undici; plain `http://` goes over http1/. */
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import type { Dispatcher, Pool } from 'undici'
import { ByteChannel, type ByteChannelOptions } from '../../core/byte-channel.ts'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'
import {
  type ExchangeOptions,
  FORWARDED_HEADERS,
  KEPT_EXTENSION_CHARACTERS,
  KEPT_EXTENSIONS,
  type Upstream,
} from './upstream.ts'
import { failureOf, interruptionOf } from './upstream-failure.ts'

/** Loaded by the first that needs it: it takes 4 MB. */
const undici = (): typeof import('undici') => createRequire(import.meta.url)('undici') as typeof import('undici')

/** Headers of the response that a gateway needs besides `x-…`. */
const KEPT_HEADERS = ['content-type', 'content-length', 'retry-after', 'retry-after-ms'] as const

export interface UndiciOptions {
  readonly origin: string
  /** Sockets at most. */
  readonly connections: number
}

export class UndiciUpstream implements Upstream {
  readonly #pool: Pool

  constructor({ origin, connections }: UndiciOptions) {
    this.#pool = new (undici().Pool)(origin, {
      connections,
      pipelining: 1,
      allowH2: false,
      connectTimeout: limit('connectTimeoutMs'),
      headersTimeout: limit('firstByteTimeoutMs'),
      bodyTimeout: limit('tokenGapMs'),
      maxHeaderSize: limit('headerBytes'),
    })
  }

  get destroyed(): boolean {
    return this.#pool.destroyed
  }

  exchange(request: MessageRequest, options: ExchangeOptions): Promise<MessageResponse> {
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
      const dispatcher = this.#pool
      dispatcher.dispatch(dispatch, new ExchangeHandler({ dispatcher, dispatch, resolve, reject }, options))
    })
  }

  async destroy(error?: Error): Promise<void> {
    if (!this.#pool.destroyed) await this.#pool.destroy(error ?? null)
  }
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
    return (
      error instanceof undici().errors.SocketError && (error.socket?.bytesRead ?? 0) > 0 && !(body instanceof Readable)
    )
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
