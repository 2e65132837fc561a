/** One exchange with a service over undici's `dispatch`: head and bytes as they come, at the reader's pace. */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ByteChannel, type ByteChannelOptions } from '../../core/byte-channel.ts'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageHeaders, MessageResponse } from '../../core/message.ts'
import { headersFromService } from '../../core/routing/service-headers.ts'
import { undici } from './load-undici.ts'
import { failureOf, interruptionOf } from './service-failure.ts'
import type { ServiceUrl } from './service-url.ts'

export interface ExchangeParts {
  readonly dispatcher: Dispatcher
  readonly dispatch: Dispatcher.DispatchOptions
  readonly url: ServiceUrl
  readonly signal: AbortSignal
  /** Called once, when the answer ended or nothing will come of it. */
  readonly onEnd: () => void
}

/** Safe to send again where a kept-alive socket turns out to be closed (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])

export function exchange(parts: ExchangeParts): Promise<MessageResponse> {
  return new Promise((resolve, reject) => {
    const handler = new ServiceExchange(parts, resolve, reject)
    try {
      parts.dispatcher.dispatch(parts.dispatch, handler)
    } catch (error) {
      handler.onResponseError(
        undefined,
        error instanceof Error ? error : new Error('dispatch failed', { cause: error }),
      )
    }
  })
}

class ServiceExchange implements Dispatcher.DispatchHandler, ByteChannelOptions {
  readonly highWaterBytes = limit('channelBytes')
  readonly #parts: ExchangeParts
  readonly #resolve: (response: MessageResponse) => void
  readonly #reject: (error: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #channel: ByteChannel | undefined
  #isOver = false
  #isRepeated = false

  constructor(parts: ExchangeParts, resolve: (response: MessageResponse) => void, reject: (error: unknown) => void) {
    this.#parts = parts
    this.#resolve = resolve
    this.#reject = reject
    parts.signal.addEventListener('abort', this)
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.#stop(this.#parts.signal.reason)
  }

  onDrain(): void {
    if (!this.#isOver) this.#controller?.resume()
  }

  /** The reader of the answer left before its end. */
  onCancel(): void {
    this.#stop(new Error('the reader of the answer left'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // The request may have waited for a socket, and the caller left meanwhile.
    if (this.#isOver) controller.abort(new Error('the caller left'))
    else this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, fields: HeaderFields): void {
    if (status < 200 || this.#isOver) return
    const headers = responseHeaders(fields, this.#parts.url)
    if (headers === undefined) {
      controller.abort(new HeddleError('upstream_failed', 'the service sent more headers than may travel'))
      return
    }
    this.#channel = new ByteChannel(this)
    this.#resolve({ status, headers, body: this.#channel })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#channel?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#finish()
    this.#channel?.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isOver) return
    const channel = this.#channel
    if (channel === undefined && this.#wasStale(error)) {
      this.#isRepeated = true
      this.#controller = undefined
      // Not from inside undici's own clearing up.
      setImmediate(() => {
        if (!this.#isOver) this.#parts.dispatcher.dispatch(this.#parts.dispatch, this)
      })
      return
    }
    this.#finish()
    if (channel === undefined) this.#reject(failureOf(error, this.#controller !== undefined))
    else channel.fail(interruptionOf(error))
  }

  /** Whether a socket that had carried answers before was closed without one: most likely as idle, just as we used it. */
  #wasStale(error: Error): boolean {
    const { method, body } = this.#parts.dispatch
    if (this.#isRepeated || !IDEMPOTENT.has(method) || isStream(body)) return false
    return error instanceof undici().errors.SocketError && (error.socket?.bytesRead ?? 0) > 0
  }

  #stop(reason: unknown): void {
    if (this.#isOver) return
    this.#finish()
    if (this.#channel === undefined) this.#reject(reason)
    else this.#channel.fail(reason)
    this.#controller?.abort(reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
  }

  #finish(): void {
    this.#isOver = true
    this.#parts.signal.removeEventListener('abort', this)
    // undici no longer asks for the rest of a request whose answer is over.
    const { body } = this.#parts.dispatch
    if (isStream(body) && !body.destroyed) body.destroy()
    this.#parts.onEnd()
  }
}

type HeaderFields = Readonly<Record<string, string | string[] | undefined>>

/** Undefined where there are too many to pass on. */
function responseHeaders(fields: HeaderFields, url: ServiceUrl): MessageHeaders | undefined {
  const all: Record<string, string> = {}
  let count = 0
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined) continue
    count += 1
    all[name] = typeof value === 'string' ? value : value.join(', ')
  }
  if (count > limit('headerFields')) return undefined
  const kept = headersFromService(all)
  const { location } = kept
  return location === undefined ? kept : { ...kept, location: withoutTarget(location, url) }
}

/** A redirect within the service must not tell its address, and must lead back through us: it becomes a path below the service. */
function withoutTarget(location: string, { origin, pathPrefix }: ServiceUrl): string {
  const path = location.startsWith(`${origin}/`) ? location.slice(origin.length) : location
  return pathPrefix !== '' && path.startsWith(`${pathPrefix}/`) ? path.slice(pathPrefix.length) : path
}

function isStream(body: Dispatcher.DispatchOptions['body']): body is Readable {
  return typeof body === 'object' && body !== null && 'destroy' in body
}
