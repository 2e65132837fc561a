/** One request and its answer on a session: two bodies, their credit, and what ends each. */
import { limit } from '../limits.ts'
import type { MessageBody } from '../message.ts'
import { RESET_CODES, type ResetName } from '../wire/frames/frame.ts'
import type { FrameWriter } from '../wire/frames/frame-writer.ts'
import { IncomingBody, type IncomingBodyOwner } from './incoming-body.ts'
import { OutgoingBody, type OutgoingBodyOwner } from './outgoing-body.ts'
import type { SessionEnd } from './session-error.ts'
import type { TableEntry } from './stream-table.ts'

const PIECE_BYTES = limit('meshPieceBytes')
const MAX_CREDIT = 0x7fff_ffff

/** Where an exchange puts its frames. */
export interface ExchangeOutbox {
  readonly writer: FrameWriter
  /** Frames were written: they leave with the next flush. */
  flushSoon(): void
  /** The exchange has a piece of a body to send when its turn comes. */
  enqueue(exchange: Exchange): void
}

/** What the session does for its exchanges. */
export interface ExchangeHost {
  readonly outbox: ExchangeOutbox
  /** Credit that this side gives at the beginning of each direction. */
  readonly windowBytes: number
  /** Credit that the peer gives. */
  readonly peerWindowBytes: number
  now(): number
  /** Both directions are over. */
  finished(exchange: Exchange): void
}

/** Both sides of a request share this; `SentRequest` and `ServedRequest` are what asks and what answers. */
export abstract class Exchange implements IncomingBodyOwner, OutgoingBodyOwner, TableEntry<Exchange> {
  protected readonly host: ExchangeHost
  #stream = 0
  /** The one behind it in the queue of those that have something to send. */
  behind: Exchange | undefined
  isQueued = false
  nextInBucket: Exchange | undefined
  readonly incoming: IncomingBody = new IncomingBody(this)
  #outgoing: OutgoingBody | undefined
  /** Bytes this side may send. */
  #credit = 0
  /** Bytes the peer may send. */
  #allowance = 0
  /** Bytes that the reader took and that were not given back to the peer as credit. */
  #taken = 0
  #sentLast = false
  #gotLast = false
  #isOver = false
  #stalledSince = 0
  #isStalled = false

  constructor(host: ExchangeHost) {
    this.host = host
  }

  get stream(): number {
    return this.#stream
  }

  /** Both directions ended, or the exchange was given up. */
  get isOver(): boolean {
    return this.#isOver
  }

  protected get gotLast(): boolean {
    return this.#gotLast
  }

  /** Bytes of the body that were read from its source and not sent. */
  protected get unsentBytes(): number {
    return this.#outgoing?.waitingBytes ?? 0
  }

  /** Gives the exchange its place on the wire. */
  protected begin(stream: number): void {
    this.#stream = stream
    this.#credit = this.host.peerWindowBytes
    this.#allowance = this.host.windowBytes
  }

  /** Sends `body` as credit allows; undefined where an earlier frame said that there is none. */
  protected sendBody(body: Uint8Array | MessageBody | undefined): void {
    if (body === undefined) return this.#endSending()
    this.#outgoing = new OutgoingBody(this, body)
    this.#outgoing.start()
    if (this.#outgoing.isDone || this.#outgoing.waitingBytes > 0) this.bodyReady()
  }

  bodyReady(): void {
    const body = this.#outgoing
    if (this.#isOver || this.#sentLast || body === undefined) return
    if (body.waitingBytes > 0 && this.#credit === 0) return this.#stall()
    if (body.waitingBytes > 0 || body.isDone) this.host.outbox.enqueue(this)
  }

  abstract bodyFailed(error: unknown): void

  /** Writes what one turn may send of the body; true where another could follow at once. */
  writePiece(): boolean {
    const body = this.#outgoing
    if (this.#isOver || this.#sentLast || body === undefined) return false
    const { writer } = this.host.outbox
    if (body.waitingBytes === 0) {
      if (!body.isDone) return false
      writer.end(this.#stream)
      this.#endSending()
      return false
    }
    if (this.#credit === 0) {
      this.#stall()
      return false
    }
    let room = Math.min(PIECE_BYTES, this.#credit)
    this.#credit -= room
    while (room > 0 && body.waitingBytes > 0) {
      const piece = body.take(room)
      room -= piece.length
      writer.body(this.#stream, piece, body.isDone)
    }
    this.#credit += room
    if (body.isDone) this.#endSending()
    else if (body.waitingBytes === 0) this.sentWhatWaited()
    return body.waitingBytes > 0
  }

  /** How long the peer has given no credit although bytes wait. */
  protected stalledMs(now: number): number {
    return this.#isStalled ? now - this.#stalledSince : 0
  }

  /** Called every `meshTickMs`. */
  tick(_now: number): void {}

  /** False where the peer gave more credit than there can be. */
  gotWindow(credit: number): boolean {
    if (this.#credit + credit > MAX_CREDIT) return false
    this.#credit += credit
    this.#isStalled = false
    this.bodyReady()
    return true
  }

  gotBody(bytes: Uint8Array, isLast: boolean): void {
    if (this.#gotLast || this.#isOver) return
    if (bytes.length > this.#allowance) return this.overCredit()
    this.#allowance -= bytes.length
    this.incoming.push(bytes)
    if (isLast) this.gotEnd()
  }

  gotEnd(): void {
    if (this.#gotLast || this.#isOver) return
    this.#gotLast = true
    this.incoming.end()
    this.receivedLast()
    this.#finishWhenDone()
  }

  abstract gotReset(name: ResetName): void
  abstract sessionEnded(end: SessionEnd): void
  protected abstract overCredit(): void
  /** The peer sent everything. */
  protected abstract receivedLast(): void
  /** Nothing of the body waits now; more may come. */
  protected sentWhatWaited(): void {}
  /** This side sent everything. */
  protected abstract sentEverything(): void
  abstract bodyStopped(): void

  bodyTaken(bytes: number): void {
    if (this.#gotLast || this.#isOver) return
    this.#taken += bytes
    if (this.#taken * 2 < this.host.windowBytes) return
    this.#allowance += this.#taken
    this.host.outbox.writer.window(this.#stream, this.#taken)
    this.#taken = 0
    this.host.outbox.flushSoon()
  }

  /** Stops sending the body; what was not sent is dropped. */
  protected stopSending(): void {
    this.#outgoing?.stop()
    this.#sentLast = true
    this.#isStalled = false
  }

  /** Ends both directions now. With a name, the peer is told. */
  protected giveUp(name: ResetName | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.stopSending()
    if (name !== undefined && this.#stream !== 0) {
      this.host.outbox.writer.reset(this.#stream, RESET_CODES[name])
      this.host.outbox.flushSoon()
    }
    this.host.finished(this)
  }

  #stall(): void {
    if (this.#isStalled) return
    this.#isStalled = true
    this.#stalledSince = this.host.now()
  }

  #endSending(): void {
    if (this.#sentLast) return
    this.#sentLast = true
    this.sentEverything()
    this.#finishWhenDone()
  }

  #finishWhenDone(): void {
    if (!this.#sentLast || !this.#gotLast || this.#isOver) return
    this.#isOver = true
    this.host.finished(this)
  }
}
