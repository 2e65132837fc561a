/** Sends a request over the mesh, and to peers that speak nothing of it as plain HTTP. */
import { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { PeerOutcome } from '../core/mesh/peer-outcome.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../core/message.ts'
import type { RouteTarget } from '../core/routing/candidate.ts'
import type { Connector, SendOptions } from '../ports/connector.ts'
import { SentBody } from './sent-body.ts'

export interface FallbackConnectorDeps {
  readonly mesh: Connector
  /** Plain HTTP over streams to a peer. */
  readonly plain: Connector
  /** Whether the peer, which could not be asked over the mesh, is known to speak plain HTTP and nothing better. */
  readonly speaksOnlyPlain: (peer: NodeId) => Promise<boolean>
  /** Told what each plain request says about its peer. */
  readonly observed: (peer: NodeId, outcome: PeerOutcome) => void
  /** Called when a plain request leaves; the result when its answer was read, failed or was given up. */
  readonly dispatched: (target: Pick<RouteTarget, 'node' | 'runtime'>) => () => void
}

export class FallbackConnector implements Connector {
  readonly kind = 'mesh'
  readonly #deps: FallbackConnectorDeps
  /** Peers that were found to speak only plain HTTP, oldest first. */
  readonly #plainPeers = new Set<NodeId>()

  constructor(deps: FallbackConnectorDeps) {
    this.#deps = deps
  }

  async send(target: RouteTarget, request: MessageRequest, options: SendOptions): Promise<MessageResponse> {
    const { node } = target
    if (this.#plainPeers.has(node)) return this.#sendPlain(target, request, options)
    const body = request.body === undefined ? undefined : new SentBody(request.body)
    const message = { ...request, body: body?.sent }
    try {
      return await this.#deps.mesh.send(target, message, options)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isUnreachable(error) || body?.isTouched === true) throw error
      if (!(await this.#deps.speaksOnlyPlain(node))) throw error
      this.#remember(node)
      return this.#sendPlain(target, message, options)
    }
  }

  async #sendPlain(target: RouteTarget, request: MessageRequest, options: SendOptions): Promise<MessageResponse> {
    const { plain, observed, dispatched } = this.#deps
    const { node } = target
    const end = dispatched(target)
    try {
      const response = await plain.send(target, request, options)
      observed(node, { kind: 'answered' })
      return { ...response, body: endingWith(response.body, end) }
    } catch (error) {
      end()
      if (!options.signal.aborted && isUnreachable(error)) {
        // It may speak more when it comes back.
        this.#plainPeers.delete(node)
        observed(node, { kind: 'unreachable', reason: error.message })
      }
      throw error
    }
  }

  #remember(peer: NodeId): void {
    this.#plainPeers.add(peer)
    const [oldest] = this.#plainPeers
    if (this.#plainPeers.size > limit('registryRecords') && oldest !== undefined) this.#plainPeers.delete(oldest)
  }
}

async function* endingWith(body: MessageBody, end: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } finally {
    end()
  }
}

function isUnreachable(error: unknown): error is HeddleError {
  return error instanceof HeddleError && error.code === 'peer_unreachable'
}
