/** One client's connection: the answer that is on its way, how many there were, and how it ends. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { HeaderPairs } from '../gateway/inbound.ts'
import type { Clock } from '../ports/clock.ts'
import { sendErrorOnSocket } from './send-error.ts'

export class Connection {
  readonly #clock: Pick<Clock, 'after'>
  readonly #socket: Socket
  readonly #left = new AbortController()
  #last: ServerResponse | undefined
  #requests = 0
  #closing = false
  /** Whether an answer is on its way that Node's server knows nothing of. */
  #leanBusy = false

  constructor({ clock }: { readonly clock: Pick<Clock, 'after'> }, socket: Socket) {
    this.#clock = clock
    this.#socket = socket
    socket.once('close', () => this.#left.abort(new HeddleError('client_closed', 'the client closed the connection')))
  }

  /** Aborted when the connection closes; one for all its requests, because making one costs as much as routing a request. */
  get left(): AbortSignal {
    return this.#left.signal
  }

  /**
   * Notes an answer that is owed, and makes it say so where it must be the last one here. False for a request that came after
   * such a last one: it must not be processed (RFC 9112 §9.6).
   */
  owe(response: ServerResponse): boolean {
    if (this.#last?.shouldKeepAlive === false) return false
    this.#last = response
    this.#requests += 1
    if (this.#closing || this.#requests >= limit('requestsPerSocket')) response.shouldKeepAlive = false
    return true
  }

  /** Notes a request that is answered without Node's server; true where its answer must be the last one here. */
  begin(): boolean {
    this.#leanBusy = true
    this.#requests += 1
    return this.#closing || this.#requests >= limit('requestsPerSocket')
  }

  /** That answer is out; true where the connection is to be closed now. */
  finish(): boolean {
    this.#leanBusy = false
    return this.#closing
  }

  /** Closes once the answers that are owed are out. */
  close(): void {
    this.#closing = true
    if (this.#leanBusy) return
    const last = this.#last
    if (last === undefined || last.writableFinished) this.#socket.destroySoon()
    // Requests that were sent ahead may owe another one by then.
    else last.once('finish', () => this.close())
  }

  /** Answers what Node's parser could not read, and closes. */
  refuse(error: HeddleError, reason: string, headers: HeaderPairs): void {
    const last = this.#last
    const socket = this.#socket
    // Refused already: what still comes is dropped, so that the answer is not lost to a reset.
    if (socket.writableEnded) return
    if (last !== undefined && isOnItsWay(last)) {
      // Nothing may be written into an answer, nor before one that a pipelined request waits for.
      if (last.writableEnded && last.socket !== null) this.close()
      else socket.destroy()
      return
    }
    sendErrorOnSocket(socket, error, reason, headers)
    const timer = this.#clock.after(limit('lingerMs'), () => socket.destroy())
    socket.once('close', () => timer.cancel())
  }
}

/** Whether part of it may be out, or earlier answers still go before it. */
function isOnItsWay(response: ServerResponse): boolean {
  return !response.writableFinished && (response.headersSent || response.socket === null)
}
