/** What leaves a session: frames of one turn share a write, and bodies take turns. */
import { limit } from '../limits.ts'
import { FrameWriter } from '../wire/frames/frame-writer.ts'
import type { ByteDuplex } from './byte-duplex.ts'
import type { Exchange, ExchangeOutbox } from './exchange.ts'

const WRITE_BYTES = limit('meshWriteBytes')

export interface OutboxDeps {
  readonly duplex: Pick<ByteDuplex, 'send'>
  /** Runs `task` when the frames of this turn are together: `setImmediate` on TCP, at once on QUIC. */
  readonly schedule: (task: () => void) => void
}

/**
 * Frames written to `writer` leave with the next flush, before any body. Bodies wait in a queue: each turn gives one of them
 * `meshPieceBytes`, so the largest delays the smallest by no more than a piece of everybody else.
 */
export class Outbox implements ExchangeOutbox {
  readonly writer = new FrameWriter()
  readonly #deps: OutboxDeps
  #first: Exchange | undefined
  #last: Exchange | undefined
  #isScheduled = false
  #isFlushing = false
  #isBlocked = false
  #isClosed = false
  /** The newest ping that is not answered because the transport takes nothing. */
  #pongToken: number | undefined
  #sentBytes = 0

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  /** The transport holds as much as it takes. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** All that the transport was given. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  flushSoon(): void {
    if (this.#isScheduled || this.#isBlocked || this.#isFlushing || this.#isClosed) return
    this.#isScheduled = true
    this.#deps.schedule(this.#onTurn)
  }

  enqueue(exchange: Exchange): void {
    this.#push(exchange)
    this.flushSoon()
  }

  /** The transport takes bytes again. */
  drained(): void {
    this.#isBlocked = false
    if (this.#pongToken !== undefined) this.writer.ping('pong', this.#pongToken)
    this.#pongToken = undefined
    this.#flush()
  }

  ping(token: number): void {
    this.writer.ping('ping', token)
    this.flushSoon()
  }

  /** Answers a ping; while the transport takes nothing only the newest is remembered, so that pings cannot pile up. */
  pong(token: number): void {
    if (this.#isBlocked) {
      this.#pongToken = token
      return
    }
    this.writer.ping('pong', token)
    this.flushSoon()
  }

  /** Sends what is written, whatever the transport says, and nothing after it. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.writer.pendingBytes > 0) this.#deps.duplex.send(this.writer.take())
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  #flush(): void {
    if (this.#isBlocked || this.#isFlushing || this.#isClosed) return
    this.#isFlushing = true
    const { writer } = this
    do {
      while (writer.pendingBytes < WRITE_BYTES && this.#first !== undefined) {
        const exchange = this.#shift()
        if (exchange.writePiece()) this.#push(exchange)
      }
      if (writer.pendingBytes === 0) break
      this.#sentBytes += writer.pendingBytes
      this.#isBlocked = !this.#deps.duplex.send(writer.take())
    } while (!this.#isBlocked && this.#first !== undefined)
    this.#isFlushing = false
  }

  #push(exchange: Exchange): void {
    if (exchange.isQueued) return
    exchange.isQueued = true
    if (this.#last === undefined) this.#first = exchange
    else this.#last.behind = exchange
    this.#last = exchange
  }

  #shift(): Exchange {
    const exchange = this.#first as Exchange
    this.#first = exchange.behind
    if (this.#first === undefined) this.#last = undefined
    exchange.behind = undefined
    exchange.isQueued = false
    return exchange
  }
}
