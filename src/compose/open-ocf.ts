/** OCF's dialect on this node: the node table, the routes that forward, and what is reported of them. */
import { AxiomEvents } from '../adapters/axiom/axiom-events.ts'
import { HeddleError } from '../core/errors.ts'
import type { ConnectorKind } from '../core/routing/candidate.ts'
import type { AskPeer, OcfDeps, OcfTableDeps } from '../http/ocf/deps.ts'
import type { Connector } from '../ports/connector.ts'
import type { ServiceDirectory } from '../ports/service-directory.ts'
import type { Config } from './config.ts'
import type { MeshParts } from './mesh-parts.ts'
import { OcfRegistrations } from './ocf-node-admin.ts'
import { ocfViewOf } from './ocf-view.ts'
import type { Parts } from './parts.ts'
import { VERSION } from './version.ts'

export interface OcfParts {
  /** This node's services and those of the network. */
  readonly services: ServiceDirectory
  readonly connectors: ReadonlyMap<ConnectorKind, Connector>
  /** Undefined while the mesh is not open. */
  readonly mesh: () => MeshParts | undefined
  /** How other nodes' own HTTP API is asked; undefined while the mesh is not open. */
  readonly askPeer: () => AskPeer | undefined
}

export function openOcf(
  stack: AsyncDisposableStack,
  config: Config,
  { clock, log, metrics, ids, identity, services: own, runtimes }: Parts,
  { services, connectors, mesh, askPeer }: OcfParts,
): OcfDeps & OcfTableDeps {
  const events = config.axiom && stack.use(new AxiomEvents({ clock, log, metrics }, config.axiom))
  const view = ocfViewOf({
    clock,
    self: identity.id,
    publicAddresses: config.mode === 'standalone' ? [] : config.mesh.publicAddresses,
    own: () => ({
      roles: ['provider', 'gateway'],
      addresses: [],
      hardware: undefined,
      version: VERSION,
      services: own.node.nodeServices(),
    }),
    mesh,
  })
  return {
    view,
    admin: new OcfRegistrations({ services: own.admin, runtimes }),
    record: (event) => events?.record(event),
    services,
    connectors,
    metrics,
    log,
    ids,
    strictness: config.servicesMatch,
    askPeer: (peer, request, options) => (askPeer() ?? nobody)(peer, request, options),
  }
}

const nobody: AskPeer = () =>
  Promise.reject(new HeddleError('peer_unreachable', 'this node has no mesh', { fix: 'heddle config set mode local' }))
