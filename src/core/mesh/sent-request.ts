/** A request that this side sent: its answer as a promise, and its cancelling. */
import { HeddleError } from '../errors.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../message.ts'
import type { ResetName } from '../wire/frames/frame.ts'
import { errorCodeOfRefusal } from '../wire/frames/refusal.ts'
import type { CancelSignal } from './cancel-signal.ts'
import { Exchange, type ExchangeHost } from './exchange.ts'
import { interruptedError, resetError, type SessionEnd, sessionError } from './session-error.ts'

export interface RequestOptions {
  /** Aborting it gives the request up. */
  readonly signal: CancelSignal
  /**
   * Called once, when nothing of the request is left at the peer as far as this side knows: its answer came whole, it failed,
   * or it was given up (then without a failure). What came of the answer may still be unread.
   */
  readonly onOver?: (failure: unknown) => void
}

export class SentRequest extends Exchange {
  readonly #request: MessageRequest
  readonly #signal: CancelSignal
  readonly answer: Promise<MessageResponse>
  #resolve: (response: MessageResponse) => void = nothing
  #reject: (error: unknown) => void = nothing
  #hasHead = false
  readonly #onOver: ((failure: unknown) => void) | undefined
  #failure: unknown

  constructor(host: ExchangeHost, request: MessageRequest, { signal, onOver }: RequestOptions) {
    super(host)
    this.#request = request
    this.#signal = signal
    this.#onOver = onOver
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    signal.addEventListener('abort', this.#onAbort)
  }

  /** Writes the open frame; false where the request cannot be written as one, and then the id is free. */
  open(stream: number): boolean {
    const { body } = this.#request
    const hasBody = body !== undefined && !(body instanceof Uint8Array && body.length === 0)
    const refusal = this.host.outbox.writer.open(stream, this.#request, !hasBody)
    if (refusal !== undefined) {
      this.#fail(
        new HeddleError(errorCodeOfRefusal(refusal.kind), `the request cannot be sent on: ${refusal.kind}`),
        undefined,
      )
      return false
    }
    this.begin(stream)
    this.sendBody(hasBody ? body : undefined)
    this.host.outbox.flushSoon()
    return true
  }

  gotHead(status: number, headers: MessageHeaders, isLast: boolean): void {
    if (this.isOver || this.#hasHead) return
    this.#hasHead = true
    this.#resolve({ status, headers, body: this.incoming })
    if (isLast) this.gotEnd()
  }

  override gotBody(bytes: Uint8Array, isLast: boolean): void {
    if (this.#hasHead) super.gotBody(bytes, isLast)
    else this.malformed()
  }

  override gotEnd(): void {
    if (this.#hasHead) super.gotEnd()
    else this.malformed()
  }

  /** The peer's answer breaks the protocol; other requests go on. */
  malformed(): void {
    this.#fail(this.#brokenBy('malformed'), 'malformed')
  }

  gotReset(name: ResetName): void {
    this.#fail(this.#brokenBy(name), undefined)
  }

  sessionEnded(end: SessionEnd): void {
    const code = this.#hasHead ? 'upstream_interrupted' : 'upstream_failed'
    // One that has no number yet was never written.
    this.#fail(sessionError(code, end, { mayHaveBegun: this.stream !== 0 }), undefined)
  }

  /** The source of the body broke: that is this side's failure, told as it is. */
  bodyFailed(error: unknown): void {
    this.#fail(error, 'cancel')
  }

  bodyStopped(): void {
    this.#detach()
    this.giveUp('cancel')
  }

  protected overCredit(): void {
    this.#fail(new HeddleError('upstream_interrupted', 'the peer sent more than its credit'), 'credit')
  }

  protected receivedLast(): void {
    // The answer is whole, so the rest of the request interests nobody.
    this.stopSending()
    this.#detach()
  }

  protected sentEverything(): void {}

  /** Called by the table that counts it, once. */
  tellOver(): void {
    this.#onOver?.(this.#failure)
  }

  readonly #onAbort = (): void => {
    if (this.isOver) return
    this.#detach()
    if (this.#hasHead) this.incoming.abort(this.#signal.reason)
    else this.#reject(this.#signal.reason)
    this.giveUp('cancel')
  }

  #brokenBy(name: ResetName): HeddleError {
    return this.#hasHead ? interruptedError(name) : resetError(name)
  }

  #fail(error: unknown, tell: ResetName | undefined): void {
    if (this.isOver) return
    this.#detach()
    this.#failure = error
    if (this.#hasHead) this.incoming.fail(error)
    else this.#reject(error)
    this.giveUp(tell)
  }

  #detach(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
  }
}

function nothing(): void {}
