/** The requests of this side: how many may be open, which wait for the peer's hello, and which number each gets. */
import { limit } from '../limits.ts'
import type { MessageRequest, MessageResponse } from '../message.ts'
import type { Exchange, ExchangeHost } from './exchange.ts'
import { type RequestOptions, SentRequest } from './sent-request.ts'
import type { StreamTable } from './stream-table.ts'

const MAX_STREAM = 0x7fff_ffff

export class SentRequests {
  readonly #host: ExchangeHost
  readonly #exchanges: StreamTable<Exchange>
  /** Opened when the peer has said hello. */
  readonly #waiting = new Set<SentRequest>()
  #hasHello = false
  /** What the peer takes at once; a guess until it has said so. */
  #most = limit('meshOpenRequests')
  #nextStream: number
  #open = 0

  constructor(host: ExchangeHost, exchanges: StreamTable<Exchange>, firstStream: 1 | 2) {
    this.#host = host
    this.#exchanges = exchanges
    this.#nextStream = firstStream
  }

  /** Requests that are open or wait to be. */
  get open(): number {
    return this.#open
  }

  /** Those that have no number yet. */
  get waiting(): readonly SentRequest[] {
    return [...this.#waiting]
  }

  get isFull(): boolean {
    return this.#open >= this.#most || this.#nextStream > MAX_STREAM
  }

  /** Whether `stream` is one that this side opened, now or before. */
  knows(stream: number): boolean {
    return stream % 2 === this.#nextStream % 2 && stream < this.#nextStream
  }

  send(request: MessageRequest, options: RequestOptions): Promise<MessageResponse> {
    const sent = new SentRequest(this.#host, request, options)
    this.#open += 1
    if (this.#hasHello) this.#begin(sent)
    else this.#waiting.add(sent)
    return sent.answer
  }

  gotHello(most: number): void {
    this.#hasHello = true
    this.#most = most
    let room = most
    for (const sent of this.#waiting) {
      this.#waiting.delete(sent)
      room -= 1
      if (room < 0) sent.gotReset('refused')
      else this.#begin(sent)
    }
  }

  /** The peer begins nothing after `lastStream`. */
  gotGoAway(lastStream: number): void {
    for (const exchange of this.#exchanges.values())
      if (exchange.stream > lastStream && exchange instanceof SentRequest) exchange.gotReset('refused')
  }

  finished(sent: SentRequest): void {
    this.#open -= 1
    this.#waiting.delete(sent)
    sent.tellOver()
  }

  #begin(sent: SentRequest): void {
    if (!sent.open(this.#nextStream)) return
    this.#nextStream += 2
    // A body that fails at once has ended the request already.
    if (!sent.isOver) this.#exchanges.add(sent)
  }
}
