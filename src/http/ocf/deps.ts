/** What OCF's dialect needs of the node; compose implements it. */
import type { NodeId } from '../../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../core/message.ts'
import type { Strictness } from '../../core/routing/identity-groups.ts'
import type { OcfAddressInfo, OcfPeerStatus, OcfRegistration, OcfTable } from '../../core/wire/ocf.ts'
import type { OcfEvent } from '../../core/wire/ocf-event.ts'
import type { ServiceRequestDeps } from '../../gateway/service-request.ts'
import type { IdSource } from '../../ports/id-source.ts'

interface Cancellable {
  readonly signal: AbortSignal
}

/** The network as OCF's nodes see theirs. */
export interface OcfView {
  /** This node. */
  readonly self: NodeId
  /** Whether anybody may ask for the bootstraps: newcomers to a public node have no key yet. */
  readonly isPublic: boolean
  /** The nodes that can be asked now, this one included. */
  table(): OcfTable
  /** Those connected now. */
  peers(): readonly OcfAddressInfo[]
  /** Every node known. */
  peersStatus(): readonly OcfPeerStatus[]
  /** Multiaddrs of nodes that give newcomers their first peers. */
  bootstraps(): readonly string[]
  /** Whether the node table has the peer. */
  knows(peer: NodeId): boolean
}

/** What `POST` and `DELETE /v1/dnt/_node` do. */
export interface OcfNodeAdmin {
  /** Offers services that run on this machine or near it. @throws HeddleError `invalid_request`, `conflict` */
  register(registration: OcfRegistration, options: Cancellable): Promise<void>
  /** Takes back every service that was registered while the node ran. */
  withdraw(options: Cancellable): Promise<void>
}

/** A question to another node's own HTTP API, over whatever it speaks. */
export type AskPeer = (
  peer: NodeId,
  request: Pick<MessageRequest, 'method' | 'path' | 'headers' | 'body'>,
  options: Cancellable,
) => Promise<MessageResponse>

/** Everything behind the routes that forward. */
export interface OcfDeps extends ServiceRequestDeps {
  readonly view: OcfView
  readonly askPeer: AskPeer
  readonly ids: Pick<IdSource, 'requestId'>
  /** How far matching goes where a request does not say. */
  readonly strictness: Strictness
  /** Told of lookups and forwards; returns at once. */
  readonly record: (event: OcfEvent) => void
}

/** What the node table's routes need. */
export interface OcfTableDeps {
  readonly view: OcfView
  readonly admin: OcfNodeAdmin
  readonly record: (event: OcfEvent) => void
}
