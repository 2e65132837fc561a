/** One request and its answer on our own HTTP/1.1 client, from the wait for a socket to the last byte. */
import { ByteChannel, type ByteChannelOptions } from '../../../core/byte-channel.ts'
import { HeddleError } from '../../../core/errors.ts'
import { limit } from '../../../core/limits.ts'
import type { MessageResponse } from '../../../core/message.ts'
import type { ExchangeOptions } from '../upstream.ts'
import { failureOf, interruptionOf, UpstreamError } from '../upstream-failure.ts'
import type { CarriedExchange, Http1Connection } from './connection.ts'
import type { RequestBytes } from './request-bytes.ts'
import { RequestStream, type StreamOwner } from './request-stream.ts'
import type { ResponseHead } from './response-head.ts'

const CHANNEL_BYTES = limit('channelBytes')
const NOTHING: RequestBytes = { first: Buffer.alloc(0), rest: undefined, stream: undefined, isHead: false }
const NEVER = Number.MAX_SAFE_INTEGER

/** What an exchange needs of the pool that carries it. */
export interface ExchangePool {
  /** Turns of the pool's timer so far. */
  readonly ticks: number
  /** As many ticks as surely last `timeoutMs`. */
  ticksOf(timeoutMs: number): number
  /** Gives the exchange a socket that has not stood about. */
  again(exchange: Http1Exchange): void
  /** The exchange no longer waits for a socket. */
  forget(exchange: Http1Exchange): void
}

/** The abort listener and the channel's options are this same object, since one is made for every request. */
export class Http1Exchange implements CarriedExchange, StreamOwner, ByteChannelOptions {
  readonly highWaterBytes = CHANNEL_BYTES
  /** Kept until the first byte of the answer, for a second try. */
  bytes: RequestBytes
  /** The tick of the pool at which the server has been silent for too long. */
  untilTick = NEVER
  readonly #pool: ExchangePool
  readonly #options: ExchangeOptions
  readonly #resolve: (response: MessageResponse) => void
  readonly #reject: (error: unknown) => void
  readonly #gapTicks: number
  #connection: Http1Connection | undefined
  #channel: ByteChannel | undefined
  #stream: RequestStream | undefined
  #isDone = false
  #isRepeated = false

  constructor(
    pool: ExchangePool,
    bytes: RequestBytes,
    options: ExchangeOptions,
    resolve: (response: MessageResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#pool = pool
    this.bytes = bytes
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#gapTicks = pool.ticksOf(options.bodyTimeoutMs)
    options.signal.addEventListener('abort', this)
  }

  get isSent(): boolean {
    return this.#stream === undefined || this.#stream.isOver
  }

  /** A socket is ours. */
  begin(connection: Http1Connection): void {
    this.#connection = connection
    connection.begin(this)
    const { stream } = this.bytes
    if (stream === undefined) this.awaitAnswer()
    else {
      this.#stream = new RequestStream(connection.socket, stream, this)
      this.#stream.start()
    }
  }

  awaitAnswer(): void {
    if (this.#channel === undefined)
      this.untilTick = this.#pool.ticks + this.#pool.ticksOf(this.#options.headersTimeoutMs)
  }

  awaitSource(): void {
    if (this.#channel === undefined) this.untilTick = NEVER
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.#stop(this.#options.signal.reason)
  }

  onDrain(): void {
    this.untilTick = this.#pool.ticks + this.#gapTicks
    this.#connection?.resume()
  }

  /** The reader of the body left before its end. */
  onCancel(): void {
    this.#stop(new Error('the reader of the answer left'))
  }

  answered(head: ResponseHead): void {
    this.bytes = NOTHING
    if (head.isEncoded) {
      this.fail(new HeddleError('upstream_failed', 'the runtime compressed its answer although it was not asked to'))
      return
    }
    this.untilTick = this.#pool.ticks + this.#gapTicks
    this.#channel = new ByteChannel(this)
    this.#resolve({ status: head.status, headers: head.headers, body: this.#channel })
  }

  received(content: Buffer): boolean {
    this.untilTick = this.#pool.ticks + this.#gapTicks
    return this.#channel?.push(content) ?? true
  }

  complete(): void {
    // The socket may serve another before our reader has taken everything.
    this.#connection = undefined
    this.#finish(undefined)
    this.#channel?.end()
  }

  broken(error: Error, mayBeStale: boolean): void {
    if (this.#isDone) return
    this.#connection = undefined
    const wasClosed = error instanceof UpstreamError && error.code === 'CLOSED'
    if (mayBeStale && wasClosed && !this.#isRepeated && this.bytes.stream === undefined) {
      // Most likely closed as idle just as we used it. One more try, on a new socket; should the server have died of the
      // request, it finds nobody there. A reset is no such closing: the server means it.
      this.#isRepeated = true
      this.#pool.again(this)
      return
    }
    this.abandon(error)
  }

  /** Cannot go on: the socket, the time or the body of the request failed. */
  abandon(error: unknown): void {
    this.fail(this.#channel === undefined ? failureOf(error, true) : interruptionOf(error))
  }

  /** The server has been silent for too long. */
  expire(): void {
    this.abandon(
      this.#channel === undefined
        ? new UpstreamError('HEADERS_TIMEOUT', 'no head of an answer came')
        : new UpstreamError('BODY_TIMEOUT', 'no bytes came'),
    )
  }

  /** Ends in a failure, wherever it is. */
  fail(failure: HeddleError): void {
    if (this.#isDone) return
    this.#finish(failure)
    this.#leave(failure)
  }

  #stop(reason: unknown): void {
    if (this.#isDone) return
    this.#finish(undefined)
    this.#leave(reason)
  }

  #leave(reason: unknown): void {
    if (this.#connection === undefined) this.#pool.forget(this)
    else this.#connection.destroy()
    this.#connection = undefined
    if (this.#channel === undefined) this.#reject(reason)
    else this.#channel.fail(reason)
  }

  #finish(failure: HeddleError | undefined): void {
    this.#isDone = true
    this.#stream?.stop()
    this.#options.signal.removeEventListener('abort', this)
    this.#options.onEnd?.(failure)
  }
}
