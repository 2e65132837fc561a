/** The way to a generic HTTP service of this node: requests go to the address that its operator gave, and nowhere else. */
import type { MessageRequest, MessageResponse } from '../core/message.ts'

export interface ForwardOptions {
  /** Aborting it ends the request at the service. */
  readonly signal: AbortSignal
  /** Called once when the exchange is over, its answer's body included. */
  readonly onEnd: () => void
}

export interface ForwarderOptions {
  /** `http://` or `https://`, without credentials; what comes before each request's path is part of it. */
  readonly url: string
  /** Asked for by checks: an answer other than 2xx is bad then. Without it any answer but 502, 503 and 504 is good. */
  readonly healthPath: string | undefined
}

/**
 * Every implementation promises (test/contracts/service-forwarder.contract.ts checks it):
 * - `send` resolves with the service's status and headers, whatever they are; redirects are answers like any other;
 * - it rejects with `runtime_unavailable` where nobody answers, `upstream_failed` where the service broke off, `timeout` where it
 *   was silent; a cut after the head makes the body throw `upstream_interrupted`;
 * - bodies flow both ways as they come, with a bounded number of bytes held;
 * - credentials, hop-by-hop headers and ours do not reach the service, nor its cookies the client;
 * - aborting the signal ends the exchange at once and rejects, or breaks the body, with the signal's reason;
 * - `check` rejects with a reason for people where the service is not well.
 */
export interface ServiceForwarder extends AsyncDisposable {
  send(request: MessageRequest, options: ForwardOptions): Promise<MessageResponse>
  check(options: { readonly signal: AbortSignal }): Promise<void>
}

/** @throws HeddleError `invalid_request` where the URL is none that may be forwarded to */
export type OpenForwarder = (options: ForwarderOptions) => ServiceForwarder
