/** What requests are routed over: this node's own models and services, and those of the network from the moment that its mesh is open. */
import type { ConnectorKind } from '../core/routing/candidate.ts'
import { JoinedDirectory } from '../gateway/joined-directory.ts'
import { JoinedServiceDirectory } from '../gateway/joined-service-directory.ts'
import type { Connector } from '../ports/connector.ts'
import type { Mesh } from './open-mesh.ts'
import type { Parts } from './parts.ts'

export class Fabric {
  readonly directory: JoinedDirectory
  readonly services: JoinedServiceDirectory
  readonly connectors: ReadonlyMap<ConnectorKind, Connector>
  readonly #connectors: Map<ConnectorKind, Connector>
  #mesh: Mesh | undefined

  constructor({ provider, services: { node, connector } }: Pick<Parts, 'provider' | 'services'>) {
    this.directory = new JoinedDirectory([provider])
    this.services = new JoinedServiceDirectory([node])
    this.#connectors = new Map([[connector.kind, connector]])
    this.connectors = this.#connectors
  }

  /** Undefined in mode standalone, and until `join`. */
  get mesh(): Mesh | undefined {
    return this.#mesh
  }

  join(mesh: Mesh): void {
    this.#mesh = mesh
    this.#connectors.set(mesh.connector.kind, mesh.connector)
    this.directory.add(mesh.membership.directory)
    this.services.add(mesh.membership.services)
  }
}
