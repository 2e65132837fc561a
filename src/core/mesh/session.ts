/** One long-lived stream to a peer as a session: many requests at once, in both directions, each at its reader's pace. */
import { HeddleError } from '../errors.ts'
import { unreachable } from '../ids.ts'
import { limit } from '../limits.ts'
import type { MessageRequest, MessageResponse } from '../message.ts'
import { FRAME_TYPES, GO_AWAY_CODES, type GoAwayFrame, type HelloFrame, type OpenFrame } from '../wire/frames/frame.ts'
import { type Decoded, FrameDecoder } from '../wire/frames/frame-decoder.ts'
import type { RefusedFrame } from '../wire/frames/refusal.ts'
import type { ByteDuplexEvents } from './byte-duplex.ts'
import type { CancelSignal } from './cancel-signal.ts'
import type { Exchange, ExchangeHost } from './exchange.ts'
import { Intake } from './intake.ts'
import { Outbox } from './outbox.ts'
import { type RequestOptions, SentRequest } from './sent-request.ts'
import { SentRequests } from './sent-requests.ts'
import {
  goAwayNameOf,
  goAwayNameOfCode,
  notTakenError,
  type ProtocolFault,
  resetNameOfCode,
  type SessionEnd,
  sessionError,
  type VersionRange,
} from './session-error.ts'
import { commonVersion, MESH_VERSIONS, type MeshSessionDeps, type MeshSessionOptions } from './session-options.ts'
import { SessionWatch } from './session-watch.ts'
import { StreamTable } from './stream-table.ts'

/** Owns its duplex. What it holds is bounded: above all by `openRequests` × `windowBytes` of bodies that nobody read. */
export class MeshSession<Signal extends CancelSignal> implements ByteDuplexEvents, ExchangeHost {
  readonly windowBytes: number
  readonly #deps: MeshSessionDeps<Signal>
  readonly #versions: VersionRange
  readonly outbox: Outbox
  readonly #decoder: FrameDecoder
  readonly #watch: SessionWatch
  readonly #intake: Intake<Signal>
  readonly #requests: SentRequests
  readonly #exchanges = new StreamTable<Exchange>()
  /** Those who wait for the end of draining. */
  readonly #onEnded: (() => void)[] = []
  /** Until the transport has closed. */
  #closing: { cancel(): void } | undefined
  #hello: HelloFrame | undefined
  #isLeaving = false
  #isPeerLeaving = false
  #end: SessionEnd | undefined

  constructor(deps: MeshSessionDeps<Signal>, options: MeshSessionOptions) {
    const isDialler = options.side === 'dialler'
    const openRequests = options.openRequests ?? limit('meshOpenRequests')
    this.#deps = deps
    this.#versions = options.versions ?? MESH_VERSIONS
    this.windowBytes = options.windowBytes ?? limit('meshWindowBytes')
    this.outbox = new Outbox(deps)
    this.#decoder = new FrameDecoder((frame) => this.#onFrame(frame))
    this.#watch = new SessionWatch({
      clock: deps.clock,
      outbox: this.outbox,
      isAwaiting: () => this.#requests.open > 0,
      onTick: (now) => {
        for (const exchange of this.#exchanges.values()) exchange.tick(now)
      },
      onEnd: (end) => this.#finish(end),
    })
    this.#intake = new Intake(deps, this, { most: openRequests, parity: isDialler ? 0 : 1 })
    this.#requests = new SentRequests(this, this.#exchanges, isDialler ? 1 : 2)
    this.outbox.writer.hello({ ...this.#versions, features: 0, windowBytes: this.windowBytes, openRequests })
    deps.duplex.start(this)
    this.outbox.flushSoon()
  }

  /** The version that both sides speak; undefined until the peer has said hello. */
  get version(): number | undefined {
    return this.#hello === undefined ? undefined : commonVersion(this.#versions, this.#hello)
  }

  /** Requests of this side that are open. */
  get inFlight(): number {
    return this.#requests.open
  }

  /** Requests of the peer that are being served. */
  get serving(): number {
    return this.#intake.serving
  }

  /** Of the last ping that was answered. */
  get rttMs(): number | undefined {
    return this.#watch.heartbeat.rttMs
  }

  get takesRequests(): boolean {
    return this.#end === undefined && !this.#isLeaving && !this.#isPeerLeaving
  }

  /**
   * Keeps what the Connector port promises; what the peer or the session refuses is a `MeshError`. A request that was certainly
   * not begun rejects with `upstream_failed` too, so that the next candidate is tried.
   */
  request(request: MessageRequest, options: RequestOptions): Promise<MessageResponse> {
    if (options.signal.aborted) return Promise.reject(options.signal.reason)
    if (!this.takesRequests || this.#requests.isFull) return Promise.reject(notTakenError(this.#end))
    const answer = this.#requests.send(request, options)
    this.#watch.asked()
    return answer
  }

  /** The time in milliseconds that a ping takes to the peer and back. */
  ping({ signal }: { readonly signal: CancelSignal }): Promise<number> {
    return this.#watch.heartbeat.ask(this.now(), signal)
  }

  /** Takes no new requests, lets those that run finish, then ends; ends at once when the signal aborts. */
  drain({ signal }: { readonly signal: CancelSignal }): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve()
    if (!this.#isLeaving) {
      this.#isLeaving = true
      this.#intake.close()
      this.outbox.writer.goAway({ code: GO_AWAY_CODES.draining, lastStream: this.#intake.lastStream })
      this.outbox.flushSoon()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onEnded.push(resolve)
    signal.addEventListener('abort', this.close)
    if (signal.aborted) this.close()
    else this.#closeWhenDone()
    return promise.finally(() => signal.removeEventListener('abort', this.close))
  }

  /** Ends now; what runs fails. */
  readonly close = (): void => this.#finish({ kind: 'closed' })

  /** The same, and tells the peer that it is not served here. */
  readonly turnAway = (): void => this.#finish({ kind: 'stranger' })

  received(bytes: Uint8Array): void {
    if (this.#end !== undefined) return
    this.#watch.received()
    const refusal = this.#decoder.push(bytes)
    if (refusal !== undefined) this.#protocolFault(refusal.kind)
    this.#intake.serveArrived()
  }

  drained(): void {
    if (this.#end !== undefined) return
    this.#watch.drained()
    this.outbox.drained()
  }

  closed(error: unknown): void {
    this.#closing?.cancel()
    if (this.#end !== undefined) return
    this.#finish(error === undefined && this.#isIdle ? { kind: 'closed' } : { kind: 'lost', cause: error })
  }

  get peerWindowBytes(): number {
    return this.#hello?.windowBytes ?? 0
  }

  now(): number {
    return this.#deps.clock.monotonic()
  }

  finished(exchange: Exchange): void {
    this.#exchanges.remove(exchange)
    if (exchange instanceof SentRequest) this.#requests.finished(exchange)
    this.#closeWhenDone()
  }

  get #isIdle(): boolean {
    return this.#exchanges.size === 0 && this.#requests.open === 0
  }

  #onFrame(frame: Decoded): void {
    this.#watch.heartbeat.heard()
    if (this.#hello === undefined) {
      if (frame.kind === 'hello') this.#gotHello(frame)
      else this.#protocolFault('hello_missing')
      return
    }
    switch (frame.kind) {
      case 'hello':
        return this.#protocolFault('hello_repeated')
      case 'open':
        return this.#gotOpen(frame)
      case 'refused':
        return this.#gotRefused(frame)
      case 'head':
        return this.#findSent(frame.stream)?.gotHead(frame.status, frame.headers, frame.isLast)
      case 'body':
        if (frame.bytes.length === 0 && !frame.isLast) this.#countIdle()
        return this.#find(frame.stream)?.gotBody(frame.bytes, frame.isLast)
      case 'end':
        return this.#find(frame.stream)?.gotEnd()
      case 'reset':
        return this.#find(frame.stream)?.gotReset(resetNameOfCode(frame.code))
      case 'window':
        if (this.#find(frame.stream)?.gotWindow(frame.credit) === false) this.#protocolFault('credit')
        return undefined
      case 'ping':
        this.#countIdle()
        return this.outbox.pong(frame.token)
      case 'pong':
        this.#countIdle()
        return this.#watch.heartbeat.pong(frame.token, this.now())
      case 'goAway':
        return this.#gotGoAway(frame)
      case 'skipped':
        return this.#countIdle()
      default:
        return unreachable(frame)
    }
  }

  #gotHello(theirs: HelloFrame): void {
    const { least, most } = theirs
    this.#hello = theirs
    this.#watch.gotHello()
    if (commonVersion(this.#versions, theirs) === undefined)
      return this.#finish({ kind: 'version', ours: this.#versions, theirs: { least, most } })
    this.#requests.gotHello(theirs.openRequests)
    this.outbox.flushSoon()
  }

  #gotOpen(frame: OpenFrame): void {
    if (!this.#intake.number(frame.stream)) return this.#protocolFault('stream_order')
    const served = this.#intake.take(frame)
    if (served !== undefined) this.#exchanges.add(served)
    else if (this.#watch.refused()) this.#finish({ kind: 'flood' })
  }

  /** An open or head frame with bounds that are right and contents that are not. */
  #gotRefused({ stream, refusal }: RefusedFrame): void {
    if (refusal.type !== FRAME_TYPES.open) return this.#findSent(stream)?.malformed()
    if (!this.#intake.number(stream)) return this.#protocolFault('stream_order')
    this.#intake.refuse(stream, 'malformed')
    if (this.#watch.refused()) this.#finish({ kind: 'flood' })
  }

  #gotGoAway({ code, lastStream }: GoAwayFrame): void {
    const why = goAwayNameOfCode(code)
    if (why !== 'draining') return this.#finish({ kind: 'sent-away', why })
    this.#isPeerLeaving = true
    this.#requests.gotGoAway(lastStream)
    this.#closeWhenDone()
  }

  /** The exchange of a stream; one that is over is no fault, one that never was is. */
  #find(stream: number): Exchange | undefined {
    const exchange = this.#exchanges.get(stream)
    if (exchange !== undefined) return exchange
    if (!this.#requests.knows(stream) && !this.#intake.knows(stream)) this.#protocolFault('stream_unknown')
    return undefined
  }

  /** The same for frames that only answers have. */
  #findSent(stream: number): SentRequest | undefined {
    const exchange = this.#find(stream)
    if (exchange === undefined || exchange instanceof SentRequest) return exchange
    this.#protocolFault('stream_unknown')
    return undefined
  }

  #countIdle(): void {
    if (this.#watch.idleFrame()) this.#finish({ kind: 'flood' })
  }

  #closeWhenDone(): void {
    if (this.#isIdle && (this.#isLeaving || this.#isPeerLeaving)) this.#finish({ kind: 'closed' })
  }

  #protocolFault(what: ProtocolFault): void {
    this.#finish({ kind: 'protocol', what })
  }

  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#decoder.stop()
    this.#watch.stop()
    for (const exchange of [...this.#exchanges.values(), ...this.#requests.waiting]) exchange.sessionEnded(end)
    if (end.kind !== 'lost') this.#leave(end)
    this.#watch.heartbeat.fail(sessionError('upstream_failed', end, { mayHaveBegun: false }))
    for (const told of this.#onEnded) told()
    this.#deps.onEnd(end)
  }

  /** The last frame says why; a transport that cannot deliver it in time is cut. */
  #leave(end: SessionEnd): void {
    const { duplex, clock } = this.#deps
    this.outbox.writer.goAway({ code: GO_AWAY_CODES[goAwayNameOf(end)], lastStream: this.#intake.lastStream })
    this.outbox.close()
    duplex.close()
    this.#closing = clock.after(limit('meshCloseMs'), () =>
      duplex.abort(new HeddleError('timeout', 'the peer reads nothing')),
    )
  }
}
