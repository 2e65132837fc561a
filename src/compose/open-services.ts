/** What this node serves to itself and to others: its runtimes under public names, and the HTTP services added to it. */
import { hash } from 'node:crypto'
import { HttpForwarder } from '../adapters/http-service/http-forwarder.ts'
import { parseServiceUrl } from '../adapters/http-service/service-url.ts'
import type { NodeId } from '../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Clock } from '../ports/clock.ts'
import type { SendOptions } from '../ports/connector.ts'
import type { Logger } from '../ports/logger.ts'
import type { OpenForwarder } from '../ports/service-forwarder.ts'
import type { ServiceStore } from '../ports/service-store.ts'
import { LocalConnector } from '../provider/local-connector.ts'
import type { LocalProvider } from '../provider/local-provider.ts'
import { LocalServices } from '../provider/local-services.ts'
import { NodeServices } from '../provider/node-services.ts'
import { PublicRuntimeNames } from '../provider/public-runtime-names.ts'
import { servePeer } from '../provider/serve-peer.ts'
import type { Identity } from './open-identity.ts'
import { ServiceSet } from './service-set.ts'

export interface ServiceParts {
  readonly clock: Clock
  readonly log: Logger
  readonly provider: LocalProvider
  readonly identity: Pick<Identity, 'id' | 'deviceSeed'>
  readonly store: ServiceStore
}

export interface Services {
  /** For the node record, and as the local half of the directory of services. */
  readonly node: NodeServices
  /** The `local` one: models and services alike. */
  readonly connector: LocalConnector
  readonly admin: ServiceSet
  /** Serves a request of a peer that was admitted. */
  readonly servePeer: (from: NodeId, request: MessageRequest, options: SendOptions) => Promise<MessageResponse>
}

/** Nothing is checked or offered yet: that is `admin.open`'s. */
export function openServices(
  stack: AsyncDisposableStack,
  { clock, log, provider, identity, store }: ServiceParts,
  { name }: { readonly name: string },
): Services {
  const open: OpenForwarder = (options) => new HttpForwarder(options)
  const services = stack.use(new LocalServices({ clock, open }))
  const secret = hash('sha256', Buffer.concat([Buffer.from('heddle/runtime-names/v1\0'), identity.deviceSeed()]))
  const names = new PublicRuntimeNames({ secret })
  const connector = new LocalConnector({ provider, services })
  const node = stack.use(new NodeServices({ provider, services, names }, { id: identity.id, name }))
  const plainUrl = (text: string): string => parseServiceUrl(text).text
  const serving = { provider, services, names, connector, node: identity.id, log }
  return {
    node,
    connector,
    admin: new ServiceSet({ clock, log, services, store, open, plainUrl }),
    servePeer: (from, request, options) => servePeer(serving, from, request, options),
  }
}
