/** The sessions of this node with its peers: made when they are first wanted or when a peer makes them, and closed when nobody uses them. */
import { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { type SessionEnd, sessionEndText } from '../core/mesh/session-error.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Timer } from '../ports/clock.ts'
import type { PeerPath, PeerStream } from '../ports/peer-streams.ts'
import { answerPeer } from './answer-peer.ts'
import type { MeshDeps } from './deps.ts'
import { type LinkHost, PeerLink } from './peer-link.ts'
import { PeerSession, type PeerSessionDeps } from './peer-session.ts'
import { boundsWithin, checkBounds, type SessionBounds } from './session-bounds.ts'
import { untilAborted } from './until-aborted.ts'

export interface PeerSessionsOptions {
  readonly self: NodeId
  /** What sessions may take in the worst case. */
  readonly memoryBytes: number
  /** As much as fits into the memory, unless said otherwise. */
  readonly bounds?: SessionBounds
}

export interface SessionView {
  readonly peer: NodeId
  readonly path: PeerPath
  readonly side: 'dialler' | 'listener'
  /** `ending`: it takes nothing new. */
  readonly state: 'open' | 'ending'
  /** Of the mesh protocol; undefined until the peer has said hello. */
  readonly version: number | undefined
  readonly rttMs: number | undefined
  readonly ageMs: number
  /** Requests of this node that are open, and of the peer that are served. */
  readonly inFlight: number
  readonly serving: number
}

export class PeerSessions implements AsyncDisposable {
  readonly bounds: SessionBounds
  readonly #deps: MeshDeps
  readonly #self: NodeId
  readonly #links = new Map<NodeId, PeerLink>()
  readonly #sessionDeps: PeerSessionDeps
  readonly #linkHost: LinkHost
  readonly #endings: (() => void)[] = []
  readonly #stopped = new AbortController()
  #sweep: Timer | undefined
  #places: number
  #numbers = 0
  #isLeaving = false

  /** @throws HeddleError `config_invalid` where the sessions could take more than `memoryBytes` */
  constructor(deps: MeshDeps, { self, memoryBytes, bounds = boundsWithin(memoryBytes) }: PeerSessionsOptions) {
    checkBounds(bounds, memoryBytes)
    this.bounds = bounds
    this.#deps = deps
    this.#self = self
    this.#places = bounds.sessions
    this.#sessionDeps = {
      clock: deps.clock,
      endOfTurn: deps.endOfTurn,
      onRequest: (session, request, options) => this.#serve(session, request, options),
      onEnd: (session, end) => this.#ended(session, end),
    }
    this.#linkHost = {
      takePlace: () => this.#takePlace(),
      open: (stream, release) => this.#open(stream, 'dialler', release),
    }
  }

  /** Takes sessions of peers from now on. */
  start(): void {
    const { streams } = this.#deps
    this.#endings.push(
      streams.accept(MESH_PROTOCOL, (stream) => void this.#arrived(stream)),
      streams.onPath((peer, { kind }) => {
        if (kind === 'direct') this.#links.get(peer)?.foundDirectPath()
      }),
    )
    this.#scheduleSweep()
  }

  /** The session that the next request to `peer` would take, if there is one. */
  current(peer: NodeId): PeerSession | undefined {
    return this.#links.get(peer)?.current
  }

  /**
   * The current session, or a new one.
   * @throws HeddleError `peer_unreachable`, also for a moment after a dial that failed; `upstream_failed` where this node has no place
   */
  session(peer: NodeId, { signal }: { readonly signal: AbortSignal }): Promise<PeerSession> {
    return this.#linkFor(peer).session({ signal, isProbe: false })
  }

  /** The same, and dials though a dial has just failed. */
  probe(peer: NodeId, { signal }: { readonly signal: AbortSignal }): Promise<PeerSession> {
    return this.#linkFor(peer).session({ signal, isProbe: true })
  }

  /** Gives `session` no further requests: it does not answer. */
  doubt(session: PeerSession): void {
    this.#links.get(session.peer)?.doubt(session)
  }

  view(): readonly SessionView[] {
    const now = this.#deps.clock.monotonic()
    return this.#sessions().map(({ peer, path, side, mesh, openedAt }) => ({
      peer,
      path,
      side,
      state: mesh.takesRequests ? ('open' as const) : ('ending' as const),
      version: mesh.version,
      rttMs: mesh.rttMs,
      ageMs: now - openedAt,
      inFlight: mesh.inFlight,
      serving: mesh.serving,
    }))
  }

  /** Ends the sessions with peers that are members no longer. */
  async recheck(): Promise<void> {
    for (const link of this.#links.values()) {
      if (link.sessions.size === 0 || (await this.#isAdmitted(link.peer))) continue
      for (const { mesh } of link.sessions) mesh.turnAway()
    }
  }

  /** Takes and opens nothing new, and lets what runs finish until the signal aborts. */
  async leave({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.#stop()
    await Promise.all(this.#sessions().map(({ mesh }) => mesh.drain({ signal })))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    for (const { mesh } of this.#sessions()) mesh.close()
  }

  #stop(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    const reason = new HeddleError('upstream_failed', 'this node leaves the network')
    for (const end of this.#endings) end()
    for (const link of this.#links.values()) link.stop(reason)
    this.#sweep?.cancel()
    this.#stopped.abort(reason)
  }

  #sessions(): readonly PeerSession[] {
    return [...this.#links.values()].flatMap(({ sessions }) => [...sessions])
  }

  #linkFor(peer: NodeId): PeerLink {
    let link = this.#links.get(peer)
    if (link === undefined) {
      link = new PeerLink(this.#deps, this.#linkHost, peer)
      this.#links.set(peer, link)
    }
    return link
  }

  #takePlace(): () => void {
    if (this.#isLeaving) throw new HeddleError('upstream_failed', 'this node leaves the network')
    if (this.#places === 0) void this.#longestIdle()?.retire()
    if (this.#places === 0)
      throw new HeddleError('upstream_failed', `this node holds ${this.bounds.sessions} sessions, and all are in use`)
    this.#places -= 1
    let isTaken = true
    return () => {
      if (isTaken) this.#places += 1
      isTaken = false
    }
  }

  /** A session on which nothing runs ends at once when it is drained. */
  #longestIdle(): PeerSession | undefined {
    const idle = this.#sessions().filter(({ isBusy, mesh }) => !isBusy && mesh.takesRequests)
    return idle.toSorted((one, other) => other.idleMs() - one.idleMs())[0]
  }

  #open(stream: PeerStream, side: 'dialler' | 'listener', release: () => void): PeerSession {
    this.#numbers += 1
    const { bounds } = this
    const onEnd = (session: PeerSession, end: SessionEnd): void => {
      release()
      this.#sessionDeps.onEnd(session, end)
    }
    const deps = { ...this.#sessionDeps, onEnd }
    return new PeerSession(deps, stream, { self: this.#self, side, number: this.#numbers, bounds })
  }

  /** A peer opened a stream: its hello is answered when it is known to be a member. */
  async #arrived(stream: PeerStream): Promise<void> {
    const { log } = this.#deps
    const { peer } = stream
    const link = this.#linkFor(peer)
    if (link.sessions.size + link.arriving >= limit('meshStreamsPerPeer'))
      return stream.abort(new HeddleError('rate_limit_exceeded', 'the peer opens too many sessions'))
    let release: () => void
    try {
      release = this.#takePlace()
    } catch (error) {
      log.warn({ peer, code: (error as HeddleError).code }, 'no place for a session of a peer')
      return this.#open(stream, 'listener', nothing).mesh.close()
    }
    link.arriving += 1
    const isAdmitted = await this.#isAdmitted(peer)
    link.arriving -= 1
    const session = this.#open(stream, 'listener', release)
    if (this.#isLeaving) return session.mesh.close()
    if (!isAdmitted) {
      log.info({ peer, path: stream.path.kind }, 'a peer that is no member was turned away')
      return session.mesh.turnAway()
    }
    session.isAdmitted = true
    // How it ended is told where it ended.
    await link.add(session, this.#stopped).catch(nothing)
  }

  async #isAdmitted(peer: NodeId): Promise<boolean> {
    const { admit, clock, log } = this.#deps
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, this.#stopped.signal])
    try {
      using _ = clock.after(limit('meshHelloMs'), () =>
        late.abort(new HeddleError('timeout', 'nobody knows in time whether the peer is a member')),
      )
      return await untilAborted(admit(peer, { signal }), signal)
    } catch (error) {
      log.warn(
        { peer, code: error instanceof HeddleError ? error.code : 'internal' },
        'cannot tell whether a peer is a member',
      )
      return false
    }
  }

  async #serve(
    session: PeerSession,
    request: MessageRequest,
    options: { readonly signal: AbortSignal },
  ): Promise<MessageResponse> {
    session.isAdmitted ||= await this.#isAdmitted(session.peer)
    if (session.isAdmitted) return answerPeer(this.#deps, session.peer, request, options)
    session.mesh.turnAway()
    throw new HeddleError('insufficient_scope', 'the peer is no member of the network')
  }

  #ended(session: PeerSession, end: SessionEnd): void {
    const { peer, path, side } = session
    this.#links.get(peer)?.ended(session)
    if (end.kind === 'lost') this.#deps.lost(peer, 'broken')
    else if (end.kind === 'silent') this.#deps.lost(peer, 'silent')
    this.#deps.log[levelOf(end)](
      { peer, path: path.kind, transport: path.transport, side, end: end.kind, reason: sessionEndText(end) },
      'a session with a peer ended',
    )
  }

  #scheduleSweep(): void {
    this.#sweep = this.#deps.clock.after(limit('meshSweepMs'), () => {
      for (const link of this.#links.values()) {
        for (const session of link.sessions)
          if (session.idleMs() >= limit('meshIdleMs') && !session.isRetired) void session.retire()
        if (link.isEmpty) this.#links.delete(link.peer)
      }
      this.#scheduleSweep()
    })
  }
}

/** A peer can make this node write as many of these as it opens sessions, so only what an operator can mend is more than a detail. */
function levelOf(end: SessionEnd): 'debug' | 'info' | 'warn' {
  if (end.kind === 'version') return 'warn'
  const isOrdinary =
    end.kind === 'closed' || end.kind === 'lost' || (end.kind === 'sent-away' && end.why === 'draining')
  return isOrdinary ? 'debug' : 'info'
}

function nothing(): void {}
