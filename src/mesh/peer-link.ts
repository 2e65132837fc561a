/** Everything between this node and one peer: the session in use, those that end, the dial in progress and the one that failed. */
import { HeddleError } from '../core/errors.ts'
import type { MonotonicMs, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { MeshError } from '../core/mesh/session-error.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'
import type { PeerStream } from '../ports/peer-streams.ts'
import type { MeshDeps } from './deps.ts'
import { isPreferred, type PeerSession } from './peer-session.ts'
import { untilAborted } from './until-aborted.ts'

/** What all links share. */
export interface LinkHost {
  /** A place for one more session; the result gives it back. Throws where there is none. */
  takePlace(): () => void
  /** A session on a stream that this node opened; it gives the place back when it ends. */
  open(stream: PeerStream, release: () => void): PeerSession
}

export interface SessionWait {
  readonly signal: AbortSignal
  /** Whether to dial although a dial has just failed. */
  readonly isProbe: boolean
}

interface DialFailure {
  readonly error: HeddleError
  readonly until: MonotonicMs
}

export class PeerLink {
  readonly peer: NodeId
  readonly #deps: Pick<MeshDeps, 'streams' | 'clock' | 'log' | 'addressesOf'>
  readonly #host: LinkHost
  readonly #sessions = new Set<PeerSession>()
  /** Those that gave a sign of life since the newest one was opened. */
  readonly #proven = new Set<PeerSession>()
  /** Those that were proven before it, and are asked for another sign of life. */
  readonly #confirming = new Set<PeerSession>()
  readonly #dials = new Set<AbortController>()
  #current: PeerSession | undefined
  #wanted: PromiseWithResolvers<PeerSession> | undefined
  #failure: DialFailure | undefined
  /** Streams of the peer that wait to be admitted. */
  arriving = 0

  constructor(deps: Pick<MeshDeps, 'streams' | 'clock' | 'log' | 'addressesOf'>, host: LinkHost, peer: NodeId) {
    this.#deps = deps
    this.#host = host
    this.peer = peer
  }

  get sessions(): ReadonlySet<PeerSession> {
    return this.#sessions
  }

  /** Whether nothing is left to remember. */
  get isEmpty(): boolean {
    const isForgotten = this.#failure === undefined || this.#failure.until <= this.#deps.clock.monotonic()
    return this.#sessions.size === 0 && this.#dials.size === 0 && this.arriving === 0 && isForgotten
  }

  /** The session for the next request, if there is one. */
  get current(): PeerSession | undefined {
    if (this.#current?.mesh.takesRequests === true) return this.#current
    // Where the peer has let go of the newest one, it has chosen one of the others.
    this.#current = bestOf(this.#proven) ?? bestOf(this.#confirming)
    return this.#current
  }

  /** The current session, or a new one; all who wait share one dial, which goes on when some of them leave. */
  session({ signal, isProbe }: SessionWait): Promise<PeerSession> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const { current } = this
    if (current !== undefined) return Promise.resolve(current)
    const failure = this.#failure
    if (!isProbe && failure !== undefined && failure.until > this.#deps.clock.monotonic())
      return Promise.reject(failure.error)
    const { promise } = this.#wanted ?? this.#want()
    return isProbe ? untilAborted(promise, signal) : this.#awaitBriefly(promise, signal)
  }

  /** Another candidate may answer sooner than a peer that takes long; who asks for this one again finds what came of the dial. */
  async #awaitBriefly(promise: Promise<PeerSession>, signal: AbortSignal): Promise<PeerSession> {
    const late = new AbortController()
    using _ = this.#deps.clock.after(limit('meshDialWaitMs'), () =>
      late.abort(unreachable(this.peer, 'did not answer in time')),
    )
    return await untilAborted(promise, AbortSignal.any([signal, late.signal]))
  }

  /** Takes a session in and waits for its first sign of life; then it is the current one, unless another is preferred. */
  async add(session: PeerSession, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.#sessions.add(session)
    await session.mesh.ping({ signal })
    this.#failure = undefined
    const others = [...this.#proven].filter(({ mesh }) => mesh.takesRequests)
    this.#proven.clear()
    this.#prefer(session)
    for (const each of others) void this.#confirm(each)
    this.#wanted?.resolve(session)
    this.#wanted = undefined
  }

  ended(session: PeerSession): void {
    this.#sessions.delete(session)
    this.#proven.delete(session)
    this.#confirming.delete(session)
    if (this.#current === session) this.#current = undefined
  }

  /** A direct way appeared: who dialled the session over the circuit dials again, and what runs on the old one finishes there. */
  foundDirectPath(): void {
    this.#failure = undefined
    const { current } = this
    // A dial in progress looks for a direct way when it is done.
    if (current?.path.kind !== 'circuit' || current.side !== 'dialler' || this.#dials.size > 0) return
    this.#dial().catch((error: unknown) => {
      const code = error instanceof HeddleError ? error.code : 'internal'
      this.#deps.log.debug({ peer: this.peer, code }, 'a peer stays on its circuit')
    })
  }

  /** A session that does not answer gets no further requests. */
  doubt(session: PeerSession): void {
    void session.retire()
  }

  stop(reason: HeddleError): void {
    for (const dial of this.#dials) dial.abort(reason)
  }

  #want(): PromiseWithResolvers<PeerSession> {
    const wanted = Promise.withResolvers<PeerSession>()
    this.#wanted = wanted
    // Everybody may have left by the time it fails.
    wanted.promise.catch(nothing)
    this.#dial().then(this.#lookForDirectPath, (cause: unknown) => {
      const error = dialError(this.peer, cause)
      if (this.#wanted === wanted) {
        this.#wanted = undefined
        const until = (this.#deps.clock.monotonic() + limit('meshDialPauseMs')) as MonotonicMs
        this.#failure = { error, until }
      }
      wanted.reject(error)
    })
    return wanted
  }

  /** One may have appeared while the circuit was being dialled. */
  readonly #lookForDirectPath = (): void => {
    if (this.#deps.streams.paths(this.peer).some(({ kind }) => kind === 'direct')) this.foundDirectPath()
  }

  /** A connection that broke unnoticed fails the first try at once; the second makes a new one. */
  async #dial(): Promise<void> {
    const { clock } = this.#deps
    const dial = new AbortController()
    this.#dials.add(dial)
    const startedAt = clock.monotonic()
    try {
      using _ = clock.after(limit('meshDialMs'), () => dial.abort(unreachable(this.peer, 'did not answer in time')))
      await this.#tryOnce(dial).catch((error: unknown) => {
        dial.signal.throwIfAborted()
        if (!isWorthAnother(error) || clock.monotonic() - startedAt >= limit('meshDialPauseMs')) throw error
        return this.#tryOnce(dial)
      })
    } finally {
      this.#dials.delete(dial)
    }
  }

  async #tryOnce({ signal }: AbortController): Promise<void> {
    const { streams, addressesOf } = this.#deps
    const release = this.#host.takePlace()
    let stream: PeerStream
    try {
      stream = await streams.open(this.peer, MESH_PROTOCOL, { addresses: addressesOf(this.peer), signal })
    } catch (error) {
      release()
      throw error
    }
    const session = this.#host.open(stream, release)
    try {
      await this.add(session, { signal })
    } catch (error) {
      session.mesh.close()
      throw error
    }
  }

  /** Whether an older session still lives is asked before one of the two gives way: of a dead one nobody may wait for answers. */
  async #confirm(session: PeerSession): Promise<void> {
    const late = new AbortController()
    this.#confirming.add(session)
    try {
      using _ = this.#deps.clock.after(limit('meshConfirmMs'), () =>
        late.abort(new HeddleError('timeout', 'no sign of life')),
      )
      await session.mesh.ping(late)
      if (this.#confirming.delete(session)) this.#prefer(session)
    } catch {
      // It is over, or will be found dead; until then it is not used.
      this.#confirming.delete(session)
      this.doubt(session)
    }
  }

  /** Compares `session`, which lives, with the others that do; one of them stays. */
  #prefer(session: PeerSession): void {
    if (!session.mesh.takesRequests) return
    this.#proven.add(session)
    const best = bestOf(this.#proven)
    this.#current = best
    for (const each of this.#proven) {
      if (each === best) continue
      this.#proven.delete(each)
      void each.retire()
    }
  }
}

/** The preferred one of those that take requests. */
function bestOf(sessions: Iterable<PeerSession>): PeerSession | undefined {
  let best: PeerSession | undefined
  for (const each of sessions)
    if (each.mesh.takesRequests && (best === undefined || isPreferred(each, best))) best = each
  return best
}

/** Whether another try may end otherwise: not where the peer was reached and said why it will not have us. */
function isWorthAnother(error: unknown): boolean {
  if (error instanceof MeshError) return error.end?.kind === 'lost'
  return !(error instanceof HeddleError) || error.code === 'peer_unreachable'
}

/** What those who wait are told. That this node has no place left says nothing about the peer. */
function dialError(peer: NodeId, cause: unknown): HeddleError {
  if (cause instanceof MeshError) return new HeddleError('peer_unreachable', cause.message, { cause })
  return cause instanceof HeddleError ? cause : unreachable(peer, 'cannot be reached', cause)
}

function unreachable(peer: NodeId, why: string, cause?: unknown): HeddleError {
  return new HeddleError('peer_unreachable', `${peer} ${why}`, { cause })
}

function nothing(): void {}
