/** Whole members of a network on virtual time, as the admin API sees them: real membership and mesh sessions over memory. */

import type { CredentialProblem } from '../../src/accounts/credential-upkeep.ts'
import type { NetFacts } from '../../src/adapters/libp2p/net-facts.ts'
import { MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import type { MeshParts } from '../../src/compose/mesh-parts.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { PromptTrust } from '../../src/core/routing/prompt-trust.ts'
import type { MeshDeps } from '../../src/mesh/deps.ts'
import { pingPeer } from '../../src/mesh/ping-peer.ts'
import { SimulatedNode } from '../simulation/simulated-node.ts'
import { Fabric, type FabricNode } from './mesh-fabric.ts'
import { scheme, TEST_NETWORK, TestDevice } from './registry-peer.ts'
import { seededChance } from './seeded-chance.ts'

export interface Member {
  readonly node: SimulatedNode
  readonly fabric: FabricNode
  readonly parts: MeshParts
}

export interface MemberChanges {
  readonly serve?: MeshDeps['serve']
  readonly skewMs?: number
  readonly mode?: MeshParts['mode']
  readonly facts?: Partial<NetFacts>
  readonly trustOf?: (peer: NodeId) => PromptTrust
  readonly objection?: string
  readonly problems?: readonly CredentialProblem[]
}

export const NET_FACTS: NetFacts = {
  reachability: 'unknown',
  listenAddresses: ['/ip4/127.0.0.1/tcp/11441'],
  announcedAddresses: ['/ip4/127.0.0.1/tcp/11441/p2p/self'],
  observedAddresses: [],
  mappedAddresses: [],
  relays: [],
  relayedNodes: undefined,
  mdns: false,
  quicOff: undefined,
  connections: { total: 0, inbound: 0, direct: 0, circuit: 0, tcp: 0, websocket: 0, quic: 0 },
}

/** The first member is everybody's bootstrap. */
export class MemberNetwork {
  readonly fabric = new Fabric()
  readonly gossip: MemoryGossipNetwork
  readonly #chance = seededChance(7)
  readonly #members: Member[] = []

  constructor() {
    this.gossip = new MemoryGossipNetwork({ clock: this.fabric.clock, chance: this.#chance })
  }

  /** Not started yet. */
  member(number: number, changes: MemberChanges = {}): Member {
    const { fabric, gossip } = this
    const { clock } = fabric
    const device = new TestDevice(number)
    const bootstrap = [this.#members[0]?.node.peer ?? device.peer]
    const node = new SimulatedNode({ clock, network: gossip, chance: this.#chance, scheme, bootstrap }, device, {
      skewMs: changes.skewMs ?? 0,
    })
    const mesh = fabric.node(device.peer, changes.serve === undefined ? {} : { serve: changes.serve })
    const parts: MeshParts = {
      clock,
      mode: changes.mode ?? 'node',
      network: { id: TEST_NETWORK, name: 'home' },
      get membership() {
        return node.membership
      },
      get connections() {
        return gossip.node(device.peer) ?? gossip.open(device.peer)
      },
      paths: (peer) => {
        const isConnected = gossip.node(device.peer)?.peers().includes(peer) === true
        return isConnected ? [{ kind: 'direct', transport: 'memory', address: `/memory/${peer}` }] : []
      },
      ping: (peer, options) => pingPeer({ sessions: mesh.sessions, clock }, peer, options),
      connector: mesh.connector,
      netFacts: () => ({ ...NET_FACTS, ...changes.facts }),
      trustOf: ({ peer }) => changes.trustOf?.(peer) ?? 'network',
      announce: () => undefined,
      upkeep: { problems: () => changes.problems ?? [] },
      objectionTo: () => changes.objection,
    }
    const member = { node, fabric: mesh, parts }
    this.#members.push(member)
    return member
  }

  /** Starts all and lets them find each other. */
  async join(): Promise<void> {
    for (const { node } of this.#members) if (!node.isUp) await node.start()
    await this.fabric.clock.advance(20_000)
  }
}
