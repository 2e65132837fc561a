/** Kept-alive sockets to one `http://` origin or local socket: the last used first, a bound on their number, one slow timer for all. */
import { once } from 'node:events'
import { limit } from '../../../core/limits.ts'
import type { MessageRequest, MessageResponse } from '../../../core/message.ts'
import type { ExchangeOptions, Upstream } from '../upstream.ts'
import { failureOf, UpstreamError } from '../upstream-failure.ts'
import { type ConnectionOwner, Http1Connection, type SocketTarget } from './connection.ts'
import { type ExchangePool, Http1Exchange } from './exchange.ts'
import { requestBytes } from './request-bytes.ts'

const TICK_MS = limit('upstreamTickMs')

export interface Http1PoolOptions {
  /** `http://host:port`; its host is what the server is told. */
  readonly origin: string
  /** A Unix socket or named pipe to connect to instead. */
  readonly socketPath?: string | undefined
  /** Sockets at most. */
  readonly connections: number
}

export class Http1Pool implements Upstream, ConnectionOwner, ExchangePool {
  readonly readBuffer = Buffer.allocUnsafeSlow(limit('upstreamReadBytes'))
  ticks = 0
  readonly #target: SocketTarget
  readonly #base: string
  readonly #most: number
  readonly #connections = new Set<Http1Connection>()
  readonly #idle: Http1Connection[] = []
  readonly #waiting = new Set<Http1Exchange>()
  #connecting = 0
  #timer: NodeJS.Timeout | undefined
  #destruction: Promise<void> | undefined

  constructor({ origin, socketPath, connections }: Http1PoolOptions) {
    const url = new URL(origin)
    this.#base = ` HTTP/1.1\r\nhost: ${url.host}\r\n`
    this.#target =
      socketPath === undefined
        ? { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port) }
        : { path: socketPath }
    this.#most = connections
  }

  get destroyed(): boolean {
    return this.#destruction !== undefined
  }

  /** How many sockets there are, how many of them are idle, and how many exchanges wait for one. */
  get counts(): { readonly sockets: number; readonly idle: number; readonly waiting: number } {
    return { sockets: this.#connections.size, idle: this.#idle.length, waiting: this.#waiting.size }
  }

  exchange(request: MessageRequest, options: ExchangeOptions): Promise<MessageResponse> {
    return new Promise((resolve, reject) => {
      const { pathPrefix, headers, onEnd } = options
      const path = pathPrefix === undefined ? request.path : pathPrefix + request.path
      try {
        const bytes = requestBytes(request, { base: this.#base, path, headers })
        this.#send(new Http1Exchange(this, bytes, options, resolve, reject))
      } catch (error) {
        const failure = failureOf(error, false)
        onEnd?.(failure)
        reject(failure)
      }
    })
  }

  destroy(reason?: Error): Promise<void> {
    if (this.#destruction !== undefined) return this.#destruction
    const closing = [...this.#connections].map(({ socket }) => once(socket, 'close'))
    this.#destruction = Promise.all(closing).then(() => undefined)
    const cause = reason ?? new UpstreamError('DESTROYED', 'the connections were closed')
    for (const exchange of this.#waiting) exchange.fail(failureOf(cause, false))
    for (const connection of this.#connections) connection.lose(cause)
    return this.#destruction
  }

  /** The tick that we are in may be nearly over, so one more than the time takes. */
  ticksOf(timeoutMs: number): number {
    return Math.ceil(timeoutMs / TICK_MS) + 1
  }

  /** The exchange found its socket closed: it gets one that has not stood about. */
  again(exchange: Http1Exchange): void {
    this.#wait(exchange)
  }

  forget(exchange: Http1Exchange): void {
    this.#waiting.delete(exchange)
  }

  connected(connection: Http1Connection): void {
    this.#connecting -= 1
    this.release(connection, limit('upstreamIdleMs'))
  }

  release(connection: Http1Connection, idleMs: number): void {
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange)
      exchange.begin(connection)
      return
    }
    const ticks = Math.floor(idleMs / TICK_MS)
    if (ticks <= 0) {
      connection.destroy()
      return
    }
    connection.untilTick = this.ticks + ticks
    this.#idle.push(connection)
  }

  lost(connection: Http1Connection, error: Error | undefined): void {
    this.#connections.delete(connection)
    const index = this.#idle.lastIndexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    if (!connection.isConnected) {
      this.#connecting -= 1
      if (error !== undefined) this.#disappoint(error)
    }
    if (this.#connections.size === 0 && this.#timer !== undefined) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    this.#open()
  }

  #send(exchange: Http1Exchange): void {
    const connection = this.#idle.pop()
    if (connection !== undefined) exchange.begin(connection)
    else if (this.destroyed)
      exchange.fail(failureOf(new UpstreamError('DESTROYED', 'the connections were closed'), false))
    else this.#wait(exchange)
  }

  #wait(exchange: Http1Exchange): void {
    this.#waiting.add(exchange)
    this.#open()
  }

  /** Opens a socket where there are fewer under way than exchanges that wait. */
  #open(): void {
    while (this.#waiting.size > this.#connecting && this.#connections.size < this.#most && !this.destroyed) {
      this.#connecting += 1
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
      this.#connections.add(
        new Http1Connection(this, this.#target, this.ticks + this.ticksOf(limit('connectTimeoutMs'))),
      )
    }
  }

  /** No socket came about: who waited for it fails, and everybody who waits where no other socket is left. */
  #disappoint(error: Error): void {
    let uncovered =
      this.#connections.size === 0 ? this.#waiting.size : Math.min(1, this.#waiting.size - this.#connecting)
    for (const exchange of this.#waiting) {
      if (uncovered <= 0) return
      uncovered -= 1
      exchange.fail(failureOf(error, false))
    }
  }

  #tick(): void {
    this.ticks += 1
    for (const connection of this.#connections) {
      const { exchange } = connection
      if (exchange !== undefined) {
        if (this.ticks >= exchange.untilTick && !connection.isPaused) exchange.expire()
      } else if (this.ticks < connection.untilTick) {
        if (connection.isConnected) connection.unref()
      } else if (connection.isConnected) connection.destroy()
      else connection.lose(new UpstreamError('CONNECT_TIMEOUT', 'no connection came about in time'))
    }
  }
}
