/** One long-lived stream to a peer as a session: many requests at once, in both directions, each at its reader's pace. */
import { HeddleError } from '../errors.ts'
import { unreachable } from '../ids.ts'
import { limit } from '../limits.ts'
import type { MessageRequest, MessageResponse } from '../message.ts'
import { FRAME_TYPES, GO_AWAY_CODES, type GoAwayFrame, type HelloFrame, type OpenFrame } from '../wire/frames/frame.ts'
import { type Decoded, FrameDecoder } from '../wire/frames/frame-decoder.ts'
import type { FrameWriter } from '../wire/frames/frame-writer.ts'
import type { RefusedFrame } from '../wire/frames/refusal.ts'
import type { ByteDuplex, ByteDuplexEvents } from './byte-duplex.ts'
import type { CancelSignal } from './cancel-signal.ts'
import type { Exchange, ExchangeHost } from './exchange.ts'
import { Intake, type IntakeDeps } from './intake.ts'
import { Outbox } from './outbox.ts'
import { SentRequest } from './sent-request.ts'
import { ServedRequest } from './served-request.ts'
import {
  goAwayNameOf,
  goAwayNameOfCode,
  type ProtocolFault,
  resetNameOfCode,
  type SessionEnd,
  sessionError,
  type VersionRange,
} from './session-error.ts'
import { SessionWatch } from './session-watch.ts'
import { StreamTable } from './stream-table.ts'

/** The part of the Clock port that a session uses. */
export interface SessionClock {
  monotonic(): number
  after(delayMs: number, task: () => void): { cancel(): void }
}

export interface MeshSessionDeps<Signal extends CancelSignal> extends IntakeDeps<Signal> {
  readonly duplex: ByteDuplex
  readonly clock: SessionClock
  /** Runs `task` when the frames of this turn are together: `setImmediate` on TCP, at once on QUIC. */
  readonly schedule: (task: () => void) => void
  /** Called once, after every open request was told. */
  readonly onEnd: (end: SessionEnd) => void
}

export interface MeshSessionOptions {
  /** The side that dialled numbers its requests 1, 3, 5, …; the other 2, 4, 6, … */
  readonly side: 'dialler' | 'listener'
  readonly versions?: VersionRange
  readonly windowBytes?: number
  readonly openRequests?: number
}

/** Versions of the protocol that this code speaks. */
export const MESH_VERSIONS: VersionRange = { least: 1, most: 1 }
const MAX_STREAM = 0x7fff_ffff

/** Owns its duplex. What it holds is bounded: above all by `openRequests` × `windowBytes` of bodies that nobody read. */
export class MeshSession<Signal extends CancelSignal> implements ByteDuplexEvents, ExchangeHost {
  readonly windowBytes: number
  readonly #deps: MeshSessionDeps<Signal>
  readonly #versions: VersionRange
  readonly #outbox: Outbox
  readonly #decoder: FrameDecoder
  readonly #watch: SessionWatch
  readonly #intake: Intake<Signal>
  readonly #exchanges = new StreamTable<Exchange>()
  /** Requests of this side that wait for the peer's hello. */
  readonly #waiting = new Set<SentRequest>()
  readonly #onEnded = new Set<(end: SessionEnd) => void>()
  #timer: { cancel(): void }
  #hello: HelloFrame | undefined
  #nextStream: number
  #inFlight = 0
  /** The newest ping that is not answered because the transport takes nothing. */
  #pongToken: number | undefined
  #isLeaving = false
  #isPeerLeaving = false
  #end: SessionEnd | undefined

  constructor(deps: MeshSessionDeps<Signal>, options: MeshSessionOptions) {
    const isDialler = options.side === 'dialler'
    const openRequests = options.openRequests ?? limit('meshOpenRequests')
    const now = deps.clock.monotonic()
    this.#deps = deps
    this.#versions = options.versions ?? MESH_VERSIONS
    this.windowBytes = options.windowBytes ?? limit('meshWindowBytes')
    this.#nextStream = isDialler ? 1 : 2
    this.#outbox = new Outbox(deps)
    this.#decoder = new FrameDecoder((frame) => this.#onFrame(frame))
    this.#watch = new SessionWatch((token) => this.#sendPing(token), now)
    this.#intake = new Intake(deps, this, { most: openRequests, parity: isDialler ? 0 : 1 })
    this.#timer = deps.clock.after(limit('meshTickMs'), this.#onTick)
    this.writer.hello({ ...this.#versions, features: 0, windowBytes: this.windowBytes, openRequests })
    deps.duplex.start(this)
    this.flushSoon()
  }

  /** The version that both sides speak; undefined until the peer has said hello. */
  get version(): number | undefined {
    return this.#hello === undefined ? undefined : Math.min(this.#versions.most, this.#hello.most)
  }

  /** Requests of this side that are open. */
  get inFlight(): number {
    return this.#inFlight
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
   * Keeps what the Connector port promises. A request that was certainly not begun rejects with `upstream_failed` too,
   * so that the next candidate is tried.
   */
  request(request: MessageRequest, { signal }: { readonly signal: CancelSignal }): Promise<MessageResponse> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#end !== undefined) return Promise.reject(sessionError('upstream_failed', this.#end))
    const most = this.#hello?.openRequests ?? limit('meshOpenRequests')
    if (!this.takesRequests || this.#inFlight >= most || this.#nextStream > MAX_STREAM)
      return Promise.reject(new HeddleError('upstream_failed', 'the peer takes no more requests now'))
    const sent = new SentRequest(this, request, signal)
    this.#inFlight += 1
    if (this.#hello === undefined) this.#waiting.add(sent)
    else this.#open(sent)
    return sent.answer
  }

  /** The time in milliseconds that a ping takes to the peer and back. */
  ping({ signal }: { readonly signal: CancelSignal }): Promise<number> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const end = this.#end
    if (end !== undefined) return Promise.reject(sessionError('upstream_failed', end))
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const onAbort = (): void => reject(signal.reason)
    const onEnded = (end: SessionEnd): void => reject(sessionError('upstream_failed', end))
    signal.addEventListener('abort', onAbort)
    this.#onEnded.add(onEnded)
    this.#watch.heartbeat.ping(this.now(), resolve)
    return promise.finally(() => {
      signal.removeEventListener('abort', onAbort)
      this.#onEnded.delete(onEnded)
    })
  }

  /** Takes no new requests, lets those that run finish, then ends; ends at once when the signal aborts. */
  drain({ signal }: { readonly signal: CancelSignal }): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve()
    if (!this.#isLeaving) {
      this.#isLeaving = true
      this.#intake.close()
      this.writer.goAway({ code: GO_AWAY_CODES.draining, lastStream: this.#intake.lastStream })
      this.flushSoon()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onEnded.add(() => resolve())
    const onAbort = (): void => this.close()
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) this.close()
    else this.#closeWhenDone()
    return promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** Ends now; what runs fails. */
  close(): void {
    this.#finish({ kind: 'closed' })
  }

  received(bytes: Uint8Array): void {
    if (this.#end !== undefined) return
    const refusal = this.#decoder.push(bytes)
    if (refusal !== undefined) this.#protocolFault(refusal.kind)
    this.#intake.serveArrived()
  }

  drained(): void {
    if (this.#end !== undefined) return
    this.#watch.drained()
    if (this.#pongToken !== undefined) this.writer.ping('pong', this.#pongToken)
    this.#pongToken = undefined
    this.#outbox.drained()
  }

  closed(error: unknown): void {
    this.#timer.cancel()
    if (this.#end !== undefined) return
    const isDone = error === undefined && this.#exchanges.size === 0 && this.#waiting.size === 0
    this.#finish(isDone ? { kind: 'closed' } : { kind: 'lost', cause: error })
  }

  get writer(): FrameWriter {
    return this.#outbox.writer
  }

  get peerWindowBytes(): number {
    return this.#hello?.windowBytes ?? 0
  }

  now(): number {
    return this.#deps.clock.monotonic()
  }

  flushSoon(): void {
    this.#outbox.flushSoon()
  }

  enqueue(exchange: Exchange): void {
    this.#outbox.enqueue(exchange)
  }

  finished(exchange: Exchange): void {
    this.#exchanges.remove(exchange)
    if (exchange instanceof SentRequest) {
      this.#inFlight -= 1
      this.#waiting.delete(exchange)
    }
    this.#closeWhenDone()
  }

  #open(sent: SentRequest): void {
    if (!sent.open(this.#nextStream)) return
    if (!sent.isOver) this.#exchanges.add(sent)
    this.#nextStream += 2
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
      case 'head': {
        const exchange = this.#find(frame.stream)
        if (exchange instanceof ServedRequest) return this.#protocolFault('stream_unknown')
        return (exchange as SentRequest | undefined)?.gotHead(frame.status, frame.headers, frame.isLast)
      }
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
        return this.#sendPong(frame.token)
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
    const ours = this.#versions
    this.#hello = theirs
    this.#watch.gotHello()
    if (Math.min(ours.most, theirs.most) < Math.max(ours.least, theirs.least)) {
      const { least, most } = theirs
      return this.#finish({ kind: 'version', ours, theirs: { least, most } })
    }
    let room = theirs.openRequests
    for (const sent of this.#waiting) {
      this.#waiting.delete(sent)
      if (room-- > 0) this.#open(sent)
      else sent.gotReset('refused')
    }
    this.flushSoon()
  }

  #gotOpen(frame: OpenFrame): void {
    if (!this.#intake.number(frame.stream)) return this.#protocolFault('stream_order')
    const served = this.#intake.take(frame)
    if (served !== undefined) this.#exchanges.add(served)
    else if (this.#watch.refused()) this.#finish({ kind: 'flood' })
  }

  /** An open or head frame with bounds that are right and contents that are not. */
  #gotRefused({ stream, refusal }: RefusedFrame): void {
    if (refusal.type === FRAME_TYPES.open) {
      if (!this.#intake.number(stream)) return this.#protocolFault('stream_order')
      this.#intake.refuse(stream, 'malformed')
      if (this.#watch.refused()) this.#finish({ kind: 'flood' })
      return
    }
    const exchange = this.#find(stream)
    if (exchange instanceof SentRequest) exchange.malformed()
    else if (exchange !== undefined) this.#protocolFault('stream_unknown')
  }

  #gotGoAway({ code, lastStream }: GoAwayFrame): void {
    const why = goAwayNameOfCode(code)
    if (why !== 'draining') return this.#finish({ kind: 'sent-away', why })
    this.#isPeerLeaving = true
    for (const exchange of this.#exchanges.values())
      if (exchange.stream > lastStream && exchange instanceof SentRequest) exchange.gotReset('refused')
    this.#closeWhenDone()
  }

  /** The exchange of a stream; one that is over is no fault, one that never was is. */
  #find(stream: number): Exchange | undefined {
    const exchange = this.#exchanges.get(stream)
    if (exchange !== undefined) return exchange
    const isOurs = stream % 2 === this.#nextStream % 2 && stream < this.#nextStream
    if (!isOurs && !this.#intake.knows(stream)) this.#protocolFault('stream_unknown')
    return undefined
  }

  #sendPing(token: number): void {
    this.writer.ping('ping', token)
    this.flushSoon()
  }

  #sendPong(token: number): void {
    if (this.#outbox.isBlocked) this.#pongToken = token
    else {
      this.writer.ping('pong', token)
      this.flushSoon()
    }
  }

  #countIdle(): void {
    if (this.#watch.idleFrame()) this.#finish({ kind: 'flood' })
  }

  readonly #onTick = (): void => {
    const now = this.now()
    const end = this.#watch.tick(now, this.#outbox.isBlocked)
    if (end !== undefined) return this.#finish(end)
    for (const exchange of this.#exchanges.values())
      if (exchange instanceof ServedRequest && exchange.stalledMs(now) >= limit('drainTimeoutMs')) exchange.stalled()
    if (this.#end === undefined) this.#timer = this.#deps.clock.after(limit('meshTickMs'), this.#onTick)
  }

  #closeWhenDone(): void {
    const isDone = this.#exchanges.size === 0 && this.#waiting.size === 0
    if (isDone && (this.#isLeaving || this.#isPeerLeaving)) this.#finish({ kind: 'closed' })
  }

  #protocolFault(what: ProtocolFault): void {
    this.#finish({ kind: 'protocol', what })
  }

  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#decoder.stop()
    this.#timer.cancel()
    for (const exchange of [...this.#exchanges.values(), ...this.#waiting]) exchange.sessionEnded(end)
    if (end.kind !== 'lost') this.#leave(end)
    for (const told of this.#onEnded) told(end)
    this.#deps.onEnd(end)
  }

  /** The last frame says why; a transport that cannot deliver it in time is cut. */
  #leave(end: SessionEnd): void {
    const { duplex, clock } = this.#deps
    this.writer.goAway({ code: GO_AWAY_CODES[goAwayNameOf(end)], lastStream: this.#intake.lastStream })
    this.#outbox.close()
    duplex.close()
    this.#timer = clock.after(limit('meshCloseMs'), () =>
      duplex.abort(new HeddleError('timeout', 'the peer reads nothing')),
    )
  }
}
