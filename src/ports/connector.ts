/** How a request reaches a provider. Routing does not know which connector will carry it. */
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { ConnectorKind, RouteTarget } from '../core/routing/candidate.ts'

export interface SendOptions {
  /** Aborting it ends the request at the provider and frees its slot. */
  readonly signal: AbortSignal
}

/**
 * Every implementation promises (test/contracts/connector.contract.ts checks it):
 * - it resolves once the provider's status is known, whatever the status is; it rejects with a HeddleError
 *   (`upstream_failed`, `peer_unreachable`, `runtime_unavailable`, `model_loading`, `timeout`) when no status came;
 * - the body yields bytes as they arrive, holds at most a bounded number of unread ones, ends only when the provider's answer ended
 *   and throws `upstream_interrupted` when it was cut;
 * - aborting the signal rejects the promise or the body's next read with the signal's reason and stops the provider.
 */
export interface Connector {
  readonly kind: ConnectorKind
  send(target: RouteTarget, request: MessageRequest, options: SendOptions): Promise<MessageResponse>
}
