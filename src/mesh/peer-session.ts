/** One session with a peer: the way its stream takes, who dialled, and when it was last of use. */
import type { MonotonicMs, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { MeshSession } from '../core/mesh/session.ts'
import type { SessionEnd } from '../core/mesh/session-error.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerPath, PeerStream } from '../ports/peer-streams.ts'
import type { SessionBounds } from './session-bounds.ts'

export interface PeerSessionDeps {
  readonly clock: Clock
  readonly endOfTurn: (task: () => void) => void
  readonly onRequest: (
    session: PeerSession,
    request: MessageRequest,
    options: { readonly signal: AbortSignal },
  ) => Promise<MessageResponse>
  /** Called once. */
  readonly onEnd: (session: PeerSession, end: SessionEnd) => void
}

export interface PeerSessionOptions {
  readonly self: NodeId
  readonly side: 'dialler' | 'listener'
  /** Grows with every session of this node. */
  readonly number: number
  readonly bounds: SessionBounds
}

/** Owns its stream. */
export class PeerSession {
  readonly peer: NodeId
  readonly path: PeerPath
  readonly side: 'dialler' | 'listener'
  readonly number: number
  readonly dialler: NodeId
  readonly openedAt: MonotonicMs
  readonly mesh: MeshSession<AbortSignal>
  /** Whether the peer's requests are served: those of a stream that it opened are known to be, of one that we opened not yet. */
  isAdmitted = false
  readonly #clock: Clock
  #usedAt: MonotonicMs
  #retiring: Promise<void> | undefined

  constructor(deps: PeerSessionDeps, stream: PeerStream, { self, side, number, bounds }: PeerSessionOptions) {
    const { clock, endOfTurn, onRequest, onEnd } = deps
    this.peer = stream.peer
    this.path = stream.path
    this.side = side
    this.number = number
    this.dialler = side === 'dialler' ? self : stream.peer
    this.openedAt = clock.monotonic()
    this.#clock = clock
    this.#usedAt = this.openedAt
    this.mesh = new MeshSession<AbortSignal>(
      {
        duplex: stream,
        clock,
        // QUIC gathers what is written in one turn by itself.
        schedule: stream.path.transport === 'quic' ? atOnce : endOfTurn,
        openCancel: () => new AbortController(),
        onRequest: (request, options) => {
          this.#usedAt = clock.monotonic()
          return onRequest(this, request, options)
        },
        onEnd: (end) => {
          onEnd(this, end)
          // A peer that never said hello may be one that does not want to.
          if (end.kind === 'silent' && end.what !== 'hello') stream.cut()
        },
      },
      { side, windowBytes: bounds.windowBytes, openRequests: bounds.openRequests },
    )
  }

  get isBusy(): boolean {
    return this.mesh.inFlight > 0 || this.mesh.serving > 0
  }

  get isRetired(): boolean {
    return this.#retiring !== undefined
  }

  /** A request of this node was sent. */
  used(): void {
    this.#usedAt = this.#clock.monotonic()
  }

  /** How long nobody has used it, as far as the last call knows; 0 while something runs. */
  idleMs(): number {
    if (this.isBusy) this.used()
    return this.#clock.monotonic() - this.#usedAt
  }

  /** Takes nothing new and ends when what runs has finished, which may take as long as the longest answer. */
  retire(): Promise<void> {
    this.#retiring ??= this.#drain()
    return this.#retiring
  }

  async #drain(): Promise<void> {
    const late = new AbortController()
    using _ = this.#clock.after(limit('streamDurationMs'), () => late.abort())
    await this.mesh.drain(late)
  }
}

/**
 * Which of two sessions with one peer stays, so that both ends say the same: a direct one before one over a circuit; then the one
 * that the lesser id dialled; of two that one side dialled the later, as it would not have dialled had the earlier one been alive.
 */
export function isPreferred(one: PeerSession, other: PeerSession): boolean {
  if (one.path.kind !== other.path.kind) return one.path.kind === 'direct'
  if (one.dialler !== other.dialler) return one.dialler < other.dialler
  return one.number > other.number
}

function atOnce(task: () => void): void {
  task()
}
