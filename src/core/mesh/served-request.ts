/** A request that the peer sent: handed to whoever serves it, and its answer sent back. */
import { HeddleError } from '../errors.ts'
import { asRequestId } from '../ids.ts'
import { limit } from '../limits.ts'
import type { MessageRequest, MessageResponse } from '../message.ts'
import type { OpenFrame, ResetName } from '../wire/frames/frame.ts'
import type { CancelHandle, CancelSignal } from './cancel-signal.ts'
import { Exchange, type ExchangeHost } from './exchange.ts'
import { resetNameOf, type SessionEnd, sessionEndText } from './session-error.ts'

export type OnRequest<Signal extends CancelSignal> = (
  request: MessageRequest,
  options: { readonly signal: Signal },
) => Promise<MessageResponse>

export class ServedRequest<Signal extends CancelSignal> extends Exchange {
  readonly #open: OpenFrame
  readonly #handle: CancelHandle<Signal>
  readonly #onSettled: () => void
  /** The promise of the server has come to its end. */
  #isAnswered = false
  #isSettled = false
  #failure: { readonly error: unknown } | undefined

  /** @param onSettled called once, when the server of the request has let go of it: its place is free only then */
  constructor(host: ExchangeHost, open: OpenFrame, handle: CancelHandle<Signal>, onSettled: () => void) {
    super(host)
    this.#open = open
    this.#handle = handle
    this.#onSettled = onSettled
    this.begin(open.stream)
    if (open.isLast) this.gotEnd()
  }

  /** Called after everything that came with the open frame was taken in, so that a short body is whole by now. */
  serve(onRequest: OnRequest<Signal>): void {
    if (this.isOver) return this.#settled()
    const { id, service, method, path, headers, isLast } = this.#open
    const body = isLast ? undefined : (this.incoming.takeWhole() ?? this.incoming)
    const request: MessageRequest = { id: asRequestId(id), service, method, path, headers, body }
    try {
      onRequest(request, { signal: this.#handle.signal }).then(this.#onResponse, this.#onFailure)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  gotReset(name: ResetName): void {
    this.#leave(new HeddleError('client_closed', `the peer gave the request up (${name})`), undefined)
  }

  sessionEnded(end: SessionEnd): void {
    this.#leave(new HeddleError('client_closed', sessionEndText(end)), undefined)
  }

  override tick(now: number): void {
    if (this.stalledMs(now) < limit('drainTimeoutMs')) return
    this.#leave(new HeddleError('client_closed', 'the peer does not read the answer'), 'stalled')
  }

  /** What the server gave before it failed still goes out. */
  bodyFailed(error: unknown): void {
    this.#failure = { error }
    if (this.unsentBytes === 0) this.sentWhatWaited()
  }

  protected override sentWhatWaited(): void {
    if (this.#failure !== undefined) this.#leave(this.#failure.error, resetNameOf(this.#failure.error))
  }

  /** The server does not read the rest of the request; the peer's credit runs out, which holds it until the answer ends. */
  bodyStopped(): void {}

  protected overCredit(): void {
    this.#leave(new HeddleError('client_closed', 'the peer sent more than its credit'), 'credit')
  }

  protected receivedLast(): void {}

  protected sentEverything(): void {
    if (!this.gotLast) {
      this.incoming.fail(new HeddleError('client_closed', 'the answer ended before the request was read'))
      this.giveUp('done')
    }
    this.#settled()
  }

  readonly #onResponse = (response: MessageResponse): void => {
    this.#isAnswered = true
    // The peer may have left meanwhile.
    if (this.isOver) return this.#letGoOf(response)
    const refusal = this.host.outbox.writer.head(this.stream, response, false)
    if (refusal !== undefined) {
      this.bodyFailed(new HeddleError('internal', `the answer cannot be sent on: ${refusal.kind}`))
      return this.#letGoOf(response)
    }
    this.host.outbox.flushSoon()
    this.sendBody(response.body)
  }

  readonly #onFailure = (error: unknown): void => {
    this.#isAnswered = true
    this.#leave(error, resetNameOf(error))
    this.#settled()
  }

  #letGoOf(response: MessageResponse): void {
    // A source that fails while it is being stopped has nobody left to tell.
    response.body[Symbol.asyncIterator]().return?.().then(nothing, nothing)
    this.#settled()
  }

  /** Ends the exchange early: the server's signal aborts, and a body that it still reads fails with the same error. */
  #leave(error: unknown, tell: ResetName | undefined): void {
    if (this.isOver) return
    this.incoming.fail(error)
    this.giveUp(tell)
    this.#handle.abort(error)
    if (this.#isAnswered) this.#settled()
  }

  #settled(): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#onSettled()
  }
}

function nothing(): void {}
