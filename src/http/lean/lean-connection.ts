/** A client's connection while it sends nothing but plain inference requests; at the first other thing Node's server takes it over. */
import type { Socket } from 'node:net'
import { limit } from '../../core/limits.ts'
import type { Connection } from '../connection.ts'
import { type LeanRequest, leanRequestOf } from './lean-request.ts'

export interface LeanHandlers {
  /** Answers one request; never rejects. `isLast`: the answer must say that the connection ends with it; true where it said so. */
  readonly serve: (request: LeanRequest, isLast: boolean) => Promise<boolean>
  /** Gives the socket to Node's server; the bytes that were read from it come back into it afterwards. */
  readonly handOver: () => void
}

/** Starts to read; owns the socket until it is closed or handed over. */
export class LeanConnection {
  readonly #handlers: LeanHandlers
  readonly #socket: Socket
  readonly #connection: Connection
  /** What came while an answer was on its way. */
  #ahead: Buffer | undefined
  #busy = false

  constructor(handlers: LeanHandlers, socket: Socket, connection: Connection) {
    this.#handlers = handlers
    this.#socket = socket
    this.#connection = connection
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('timeout', this.#onTimeout)
    // Whoever connects and says nothing is let go as one who is slow with its headers.
    socket.setTimeout(limit('headersTimeoutMs'))
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#busy) {
      this.#take(chunk)
      return
    }
    this.#ahead = this.#ahead === undefined ? chunk : Buffer.concat([this.#ahead, chunk])
    this.#socket.pause()
  }

  /** The client has said all it wants, or left: either way nobody waits for the answer (as Node's server takes it). */
  readonly #onEnd = (): void => {
    if (this.#busy) this.#socket.destroy()
    else this.#socket.end()
  }

  /** `close` follows, which aborts what runs. */
  readonly #onError = (): void => {}

  readonly #onTimeout = (): void => {
    if (!this.#busy) this.#socket.destroySoon()
  }

  #take(bytes: Buffer): void {
    const request = leanRequestOf(bytes)
    if (request === undefined) this.#handOver(bytes)
    else void this.#serve(request)
  }

  async #serve(request: LeanRequest): Promise<void> {
    this.#busy = true
    const isLast = this.#connection.begin()
    const wasLast = await this.#handlers.serve(request, isLast)
    this.#busy = false
    if (this.#connection.finish() || wasLast) {
      this.#socket.destroySoon()
      return
    }
    this.#socket.setTimeout(limit('keepAliveMs'))
    const ahead = this.#ahead
    if (ahead === undefined || this.#socket.destroyed) return
    this.#ahead = undefined
    this.#take(ahead)
    this.#socket.resume()
  }

  #handOver(bytes: Buffer): void {
    const socket = this.#socket
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('timeout', this.#onTimeout)
    socket.setTimeout(0)
    socket.pause()
    this.#handlers.handOver()
    socket.unshift(bytes)
    socket.resume()
  }
}
