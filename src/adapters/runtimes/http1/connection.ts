/** One socket to a runtime: it carries one exchange at a time and finds the ends of the answers in what it reads. */
import { connect, type Socket } from 'node:net'
import { limit } from '../../../core/limits.ts'
import { UpstreamError } from '../upstream-failure.ts'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { copied, INCOMPLETE, MALFORMED } from './octets.ts'
import { PartialHead } from './partial-head.ts'
import type { RequestBytes } from './request-bytes.ts'
import { ResponseHead } from './response-head.ts'

/** How the end of a body is found. */
const NO_BODY = 0
const BY_LENGTH = 1
const BY_CHUNKS = 2
const BY_CLOSE = 3
const IN_HEAD = 4

const KEEP_ALIVE_PROBE_MS = 60_000
const IDLE_MS = limit('upstreamIdleMs')
/** The server's hint, less this: a request must not cross its closing on the way. */
const IDLE_MARGIN_MS = 1_000

export interface SocketTarget {
  readonly host?: string
  readonly port?: number
  readonly path?: string
}

/** The exchange that a connection carries, as far as the connection knows it. */
export interface CarriedExchange {
  readonly bytes: RequestBytes
  /** Whether all of the request has been given to the socket. */
  readonly isSent: boolean
  /** The tick at which the server has been silent for too long. */
  readonly untilTick: number
  expire(): void
  /** The head of the answer is here. */
  answered(head: ResponseHead): void
  /** Bytes of the body; false: no more until `resume`. */
  received(content: Buffer): boolean
  /** The answer is whole. */
  complete(): void
  /** The socket broke. `mayBeStale`: it had carried answers before and brought nothing of this one. */
  broken(error: Error, mayBeStale: boolean): void
}

/** The pool that a connection belongs to. */
export interface ConnectionOwner {
  /** What all its sockets read into, one after the other. */
  readonly readBuffer: Buffer
  /** The socket is open. */
  connected(connection: Http1Connection): void
  /** The socket is free, for `idleMs` at most. */
  release(connection: Http1Connection, idleMs: number): void
  /** The socket is gone. */
  lost(connection: Http1Connection, error: Error | undefined): void
}

export class Http1Connection {
  readonly socket: Socket
  isConnected = false
  /** Whether we are the ones who do not read; then no time passes for the exchange. */
  isPaused = false
  /** The tick of the pool at which a connection that is being opened, or is idle, is given up. */
  untilTick: number
  /** Exchanges carried to their end. */
  carried = 0
  readonly #pool: ConnectionOwner
  #exchange: CarriedExchange | undefined
  #isLost = false
  #holdsLoop = true
  #framing = IN_HEAD
  #remaining = 0
  #persists = false
  #hasAnswered = false
  readonly #head = new ResponseHead()
  readonly #decoder = new ChunkedDecoder()
  #partial: PartialHead | undefined

  constructor(pool: ConnectionOwner, target: SocketTarget, untilTick: number) {
    this.#pool = pool
    this.untilTick = untilTick
    this.socket = connect({
      ...(target as { port: number }),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      // libuv reads into it and calls back in one step, so all sockets of a pool share it; what is kept of it is copied.
      onread: { buffer: pool.readBuffer, callback: (length) => this.#read(length) },
    })
    this.socket.on('connect', () => {
      this.isConnected = true
      this.#pool.connected(this)
    })
    this.socket.on('end', () => this.#ended())
    this.socket.on('error', (error) => this.lose(error))
    this.socket.on('close', () => this.lose(new UpstreamError('CLOSED', 'the socket was closed')))
  }

  get exchange(): CarriedExchange | undefined {
    return this.#exchange
  }

  /** Sends what the exchange has to send, and gives it what is answered. */
  begin(exchange: CarriedExchange): void {
    this.#exchange = exchange
    this.#framing = IN_HEAD
    this.#hasAnswered = false
    if (!this.#holdsLoop) {
      this.#holdsLoop = true
      this.socket.ref()
    }
    const { first, rest } = exchange.bytes
    this.socket.write(first)
    if (rest !== undefined) this.socket.write(rest)
  }

  /** An idle socket does not keep the process alive. */
  unref(): void {
    if (!this.#holdsLoop) return
    this.#holdsLoop = false
    this.socket.unref()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.socket.resume()
  }

  /** Closes the socket at once; nobody is told. */
  destroy(): void {
    this.#exchange = undefined
    this.lose(undefined)
  }

  /** The socket is of no more use; its exchange, if it has one, is told why. */
  lose(error: Error | undefined): void {
    if (this.#isLost) return
    this.#isLost = true
    const exchange = this.#exchange
    this.#exchange = undefined
    this.socket.destroy()
    this.#pool.lost(this, error)
    if (error !== undefined) exchange?.broken(error, this.carried > 0 && !this.#hasAnswered)
  }

  #ended(): void {
    if (this.#framing === BY_CLOSE && this.#exchange !== undefined) this.#finish(false)
    else this.lose(new UpstreamError('CLOSED', 'the server closed the connection before the end of its answer'))
  }

  /** Takes `length` bytes of the read buffer; false stops reading until `resume`. */
  #read(length: number): boolean {
    const bytes = this.#pool.readBuffer
    const exchange = this.#exchange
    if (exchange === undefined) {
      // Bytes that nobody asked for: whatever they are, the next answer could not be told from them.
      this.destroy()
      return true
    }
    let at = 0
    this.#hasAnswered = true
    while (this.#framing === IN_HEAD) {
      at = this.#readHead(bytes, at, length)
      if (at === INCOMPLETE) return true
      if (at === MALFORMED) return this.#refuse(this.#head.problem)
      if (!this.#answered(exchange)) return true
    }
    return this.#readBody(exchange, bytes, at, length)
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    if (this.#partial === undefined) {
      const at = this.#head.parse(bytes, start, end)
      if (at !== INCOMPLETE) return at
      this.#partial = new PartialHead()
    }
    const at = this.#partial.add(this.#head, bytes, start, end)
    if (at !== INCOMPLETE) this.#partial = undefined
    return at
  }

  /** Deals with a whole head; false where that was the end of the exchange. */
  #answered(exchange: CarriedExchange): boolean {
    const head = this.#head
    if (head.status === 101) return !this.#refuse('an upgrade that nobody asked for')
    if (head.status < 200) return true
    this.#persists = head.persists
    this.#remaining = head.contentLength
    if (exchange.bytes.isHead || head.status === 204 || head.status === 304 || head.contentLength === 0) {
      this.#framing = NO_BODY
    } else if (head.isChunked) {
      this.#framing = BY_CHUNKS
      this.#decoder.reset()
    } else this.#framing = head.contentLength > 0 ? BY_LENGTH : BY_CLOSE
    exchange.answered(head)
    return this.#exchange === exchange
  }

  #readBody(exchange: CarriedExchange, bytes: Buffer, start: number, end: number): boolean {
    let contentStart = start
    let contentEnd = end
    let at = end
    let isWhole = false
    if (this.#framing === BY_LENGTH) {
      contentEnd = Math.min(end, start + this.#remaining)
      at = contentEnd
      this.#remaining -= contentEnd - start
      isWhole = this.#remaining === 0
    } else if (this.#framing === BY_CHUNKS) {
      at = this.#decoder.decode(bytes, start, end)
      contentStart = this.#decoder.contentStart
      contentEnd = this.#decoder.contentEnd
      isWhole = this.#decoder.isDone
    } else if (this.#framing === NO_BODY) {
      contentEnd = start
      at = start
      isWhole = true
    }
    let goesOn = true
    if (contentEnd > contentStart) goesOn = exchange.received(copied(bytes, contentStart, contentEnd))
    if (at === MALFORMED) return this.#refuse(this.#decoder.problem)
    if (isWhole) {
      this.#finish(at === end)
      return true
    }
    this.isPaused = !goesOn
    return goesOn
  }

  /** The answer is whole; the socket carries the next exchange if both sides are in step, else it is closed. */
  #finish(inStep: boolean): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.carried += 1
    const isSent = exchange?.isSent === true && this.socket.writableLength === 0
    const hintMs = this.#head.idleSeconds < 0 ? IDLE_MS : this.#head.idleSeconds * 1_000 - IDLE_MARGIN_MS
    if (inStep && this.#persists && isSent) this.#pool.release(this, Math.min(hintMs, IDLE_MS))
    else this.lose(undefined)
    exchange?.complete()
  }

  #refuse(problem: string): true {
    this.lose(new UpstreamError('NOT_HTTP', `the answer has ${problem}`))
    return true
  }
}
