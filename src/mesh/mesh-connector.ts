/** Requests to other nodes over the sessions of the mesh. */
import { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { headersForPeer } from '../core/mesh/peer-headers.ts'
import type { PeerOutcome } from '../core/mesh/peer-outcome.ts'
import { MeshError } from '../core/mesh/session-error.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { RouteTarget } from '../core/routing/candidate.ts'
import type { Connector, SendOptions } from '../ports/connector.ts'
import type { PeerSession } from './peer-session.ts'
import type { PeerSessions } from './peer-sessions.ts'
import { SentBody } from './sent-body.ts'

export interface MeshConnectorDeps {
  readonly sessions: Pick<PeerSessions, 'current' | 'session'>
  /** Told what each request says about its peer; of one that its caller gave up, nothing. */
  readonly observed: (peer: NodeId, outcome: PeerOutcome) => void
  /** Called when a request leaves; the result when its answer came whole, failed or was given up, exactly once. */
  readonly dispatched: (target: Pick<RouteTarget, 'node' | 'runtime'>) => () => void
}

/** A request that is surely not begun because its session leaves is sent again, on another session. */
export class MeshConnector implements Connector {
  readonly kind = 'mesh'
  readonly #deps: MeshConnectorDeps

  constructor(deps: MeshConnectorDeps) {
    this.#deps = deps
  }

  async send(target: RouteTarget, request: MessageRequest, { signal }: SendOptions): Promise<MessageResponse> {
    signal.throwIfAborted()
    const { sessions, dispatched } = this.#deps
    const { node } = target
    const body = request.body === undefined ? undefined : new SentBody(request.body)
    const message = { ...request, headers: headersForPeer(request.headers, target.runtime), body: body?.sent }
    const end = once(dispatched(target))
    try {
      for (let tries = 1; ; tries += 1) {
        const session = sessions.current(node) ?? (await sessions.session(node, { signal }))
        try {
          return await this.#ask(session, message, { signal, end })
        } catch (error) {
          const isLast = tries === limit('meshSendTries')
          if (isLast || signal.aborted || !wasLeaving(session, error) || body?.isTouched === true) throw error
        }
      }
    } catch (error) {
      end()
      if (!signal.aborted) this.#note(node, error)
      throw error
    }
  }

  /** `end` is called when the answer is over; before its head has come, the caller does that. */
  async #ask(
    session: PeerSession,
    message: MessageRequest,
    { signal, end }: { readonly signal: AbortSignal; readonly end: () => void },
  ): Promise<MessageResponse> {
    let isAnswered = false
    let over: { readonly failure: unknown } | undefined
    const finish = (failure: unknown): void => {
      end()
      if (failure !== undefined) this.#note(session.peer, failure)
    }
    const onOver = (failure: unknown): void => {
      over = { failure }
      if (isAnswered) finish(failure)
    }
    session.used()
    const response = await session.mesh.request(message, { signal, onOver })
    isAnswered = true
    this.#deps.observed(session.peer, { kind: 'answered', rttMs: session.mesh.rttMs })
    // A short answer is over by the time this turn of the event loop comes here.
    if (over !== undefined) finish(over.failure)
    return response
  }

  /** A refusal by the peer is a sign of life; the end of its session, or a dial that failed, is none. */
  #note(peer: NodeId, error: unknown): void {
    const { observed } = this.#deps
    if (error instanceof MeshError) {
      const { end } = error
      if (end === undefined) observed(peer, { kind: 'answered' })
      // A session that this side closed says nothing about the other.
      else if (end.kind !== 'closed') observed(peer, { kind: 'unreachable', reason: error.message })
    } else if (error instanceof HeddleError && error.code === 'peer_unreachable') {
      observed(peer, { kind: 'unreachable', reason: error.message })
    }
  }
}

/** Whether the session was over or leaving before the peer began the request. A peer that lives and refuses is busy: another may be free. */
function wasLeaving(session: PeerSession, error: unknown): boolean {
  return error instanceof MeshError && !error.mayHaveBegun && !session.mesh.takesRequests
}

function once(task: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) task()
    isDone = true
  }
}
