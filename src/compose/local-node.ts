/** What this node says of itself in its record. */
import { cpus, totalmem } from 'node:os'
import { Listeners } from '../core/listeners.ts'
import { MESH_VERSIONS } from '../core/mesh/session-options.ts'
import type { NetworkMembership } from '../core/network/network-membership.ts'
import type { NodeDescription, NodeRole } from '../core/registry/node-record.ts'
import type { LocalNode } from '../membership/deps.ts'
import type { NodeServices } from '../provider/node-services.ts'
import type { Config } from './config.ts'
import type { Identity } from './open-identity.ts'
import { VERSION } from './version.ts'

export interface LocalNodeDeps {
  readonly config: Pick<Config, 'name' | 'region' | 'mesh' | 'mode'>
  readonly identity: Pick<Identity, 'id' | 'certificate'>
  readonly network: Pick<NetworkMembership, 'membershipFor'>
  readonly services: Pick<NodeServices, 'nodeServices' | 'onChange'>
  /** Multiaddrs of the mesh; none while it is closed. */
  readonly addresses: () => readonly string[]
}

const HARDWARE = { cores: cpus().length, memoryBytes: totalmem(), accelerators: [] }

export class OwnNode implements LocalNode {
  readonly #deps: LocalNodeDeps
  readonly #listeners = new Listeners<[what: 'load' | 'description']>()

  constructor(deps: LocalNodeDeps) {
    this.#deps = deps
  }

  describe(): NodeDescription {
    const { config, identity, network, services, addresses } = this.#deps
    const membership = network.membershipFor(identity.id)
    return {
      name: config.name,
      certificate: identity.certificate().bytes,
      ...(membership === undefined ? {} : { membership }),
      roles: rolesOf(config.mesh),
      addresses: config.mode === 'local' ? addresses() : reachable(addresses()),
      ...(config.region === undefined ? {} : { region: { name: config.region, origin: 'configured' } }),
      hardware: HARDWARE,
      tiers: [],
      version: VERSION,
      protocol: MESH_VERSIONS,
      services: services.nodeServices(),
    }
  }

  onChange(listener: (what: 'load' | 'description') => void): () => void {
    const endings = [this.#deps.services.onChange(listener), this.#listeners.add(listener)]
    return () => {
      for (const end of endings) end()
    }
  }

  /** Something besides services changed: an address, a certificate, a membership. */
  changed(): void {
    this.#listeners.tell('description')
  }
}

function rolesOf({ relay, publicAddresses }: Config['mesh']): readonly NodeRole[] {
  const roles: NodeRole[] = ['provider', 'gateway']
  if (relay) roles.push('relay')
  if (publicAddresses.length > 0) roles.push('bootstrap')
  return roles
}

/** Without those of this machine alone, unless there are no others. */
function reachable(addresses: readonly string[]): readonly string[] {
  const others = addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return others.length > 0 ? others : addresses
}
