/** The requests of the peer: which are taken, how many at once, and when each is handed to whoever serves it. */
import { type OpenFrame, RESET_CODES } from '../wire/frames/frame.ts'
import type { CancelHandle, CancelSignal } from './cancel-signal.ts'
import type { ExchangeHost } from './exchange.ts'
import { type OnRequest, ServedRequest } from './served-request.ts'

export interface IntakeDeps<Signal extends CancelSignal> {
  readonly openCancel: () => CancelHandle<Signal>
  readonly onRequest: OnRequest<Signal>
}

export interface IntakeOptions {
  /** Requests served at once. */
  readonly most: number
  /** 1 where the peer numbers its requests 1, 3, 5, …; else 0. */
  readonly parity: 0 | 1
}

export class Intake<Signal extends CancelSignal> {
  readonly #deps: IntakeDeps<Signal>
  readonly #host: ExchangeHost
  readonly #options: IntakeOptions
  /** Taken with the bytes that are being read now. */
  #arrived: ServedRequest<Signal>[] = []
  #serving = 0
  #lastStream = 0
  #isClosed = false

  constructor(deps: IntakeDeps<Signal>, host: ExchangeHost, options: IntakeOptions) {
    this.#deps = deps
    this.#host = host
    this.#options = options
  }

  /** Requests whose server has not let go of them: one that the peer reset counts until its server has noticed. */
  get serving(): number {
    return this.#serving
  }

  /** The newest request of the peer that was taken or refused. */
  get lastStream(): number {
    return this.#lastStream
  }

  /** Takes no more requests. */
  close(): void {
    this.#isClosed = true
  }

  /** Whether `stream` is one that the peer opened, now or before. */
  knows(stream: number): boolean {
    return stream % 2 === this.#options.parity && stream <= this.#lastStream
  }

  /** Notes that the peer opens `stream`; false where it may not: ids only grow, and each side has its own. */
  number(stream: number): boolean {
    if (stream % 2 !== this.#options.parity || stream <= this.#lastStream) return false
    this.#lastStream = stream
    return true
  }

  /** The request, if there is room for it; else the peer is told that it was not begun. */
  take(frame: OpenFrame): ServedRequest<Signal> | undefined {
    if (this.#isClosed || this.#serving >= this.#options.most) {
      this.refuse(frame.stream, 'refused')
      return undefined
    }
    this.#serving += 1
    const request = new ServedRequest(this.#host, frame, this.#deps.openCancel(), this.#onSettled)
    this.#arrived.push(request)
    return request
  }

  refuse(stream: number, name: 'refused' | 'malformed'): void {
    this.#host.outbox.writer.reset(stream, RESET_CODES[name])
    this.#host.outbox.flushSoon()
  }

  /** Hands on what was taken since the last call: by then, a short body has come whole with its open frame. */
  serveArrived(): void {
    if (this.#arrived.length === 0) return
    const arrived = this.#arrived
    this.#arrived = []
    for (const request of arrived) request.serve(this.#deps.onRequest)
  }

  readonly #onSettled = (): void => {
    this.#serving -= 1
  }
}
