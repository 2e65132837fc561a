/** The `mesh` connector for peers that know only HTTP/1.1 over a stream: OCF's way from a dispatcher to a worker. */
import type { NodeId } from '../../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../core/message.ts'
import type { RouteTarget } from '../../core/routing/candidate.ts'
import { headersForService } from '../../core/routing/service-headers.ts'
import type { Connector, SendOptions } from '../../ports/connector.ts'
import { type Http1ClientDeps, sendHttp1 } from './http1-client.ts'

export interface Http1ConnectorDeps extends Http1ClientDeps {
  /** Multiaddrs of a peer that is not connected. */
  readonly addressesOf: (peer: NodeId) => readonly string[]
}

export class Http1Connector implements Connector {
  readonly kind = 'mesh'
  readonly #deps: Http1ConnectorDeps

  constructor(deps: Http1ConnectorDeps) {
    this.#deps = deps
  }

  /** Which instance of the service answers is the peer's own choice: OCF has no word for it. */
  send({ node }: RouteTarget, request: MessageRequest, { signal }: SendOptions): Promise<MessageResponse> {
    const path = `/v1/_service/${request.service}${request.path}`
    const headers = headersForService(request.headers)
    const { method, body } = request
    return this.ask(node, { method, path, headers, body }, { signal })
  }

  /** A request to the peer's own HTTP API, e.g. `/v1/health`. */
  ask(
    peer: NodeId,
    request: Pick<MessageRequest, 'method' | 'path' | 'headers' | 'body'>,
    { signal }: SendOptions,
  ): Promise<MessageResponse> {
    return sendHttp1(this.#deps, peer, request, { addresses: this.#deps.addressesOf(peer), signal })
  }
}
