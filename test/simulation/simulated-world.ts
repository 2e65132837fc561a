/** The two networks of a simulation, which share their troubles: gossip, which loses and repeats, and streams, which are only held up. */
import type { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type LinkFaults, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { MemoryNetwork } from '../../src/adapters/memory/memory-network.ts'
import { MemoryPeerNetwork } from '../../src/adapters/memory/memory-peer-streams.ts'
import type { NodeId } from '../../src/core/ids.ts'

const CALM: LinkFaults = { delayMs: [1, 40], loss: 0, duplication: 0 }
const MAX_DELAY_MS = 800

export class SimulatedWorld {
  readonly gossip: MemoryGossipNetwork
  readonly peers: MemoryPeerNetwork
  readonly #streams: MemoryNetwork
  readonly #chance: () => number

  constructor(clock: MemoryClock, chance: () => number, seed: number) {
    this.#chance = chance
    this.gossip = new MemoryGossipNetwork({ clock, chance })
    this.#streams = new MemoryNetwork({ clock }, { seed })
    this.peers = new MemoryPeerNetwork(this.#streams)
    this.calm()
  }

  /** Conditions of which some are bad. */
  trouble(): { readonly faults: LinkFaults } {
    const chance = this.#chance
    const faults: LinkFaults = {
      delayMs: [1, 5 + Math.floor(chance() * MAX_DELAY_MS)],
      loss: chance() < 0.6 ? chance() * 0.3 : 0,
      duplication: chance() < 0.5 ? chance() * 0.5 : 0,
    }
    const isRough = chance() < 0.5
    this.#set(faults, isRough ? { pieceBytes: 200, bytesPerMs: 50 } : QUICK)
    return { faults }
  }

  /** Nothing is lost, and everybody reaches everybody. */
  calm(): void {
    this.heal()
    this.#set(CALM, QUICK)
  }

  partition(nodes: readonly { readonly peer: NodeId }[], partOf: (peer: NodeId) => number): void {
    this.gossip.partition(partOf)
    const parts = Map.groupBy(
      nodes.map(({ peer }) => peer),
      partOf,
    )
    this.#streams.partition(...parts.values())
  }

  heal(): void {
    this.gossip.heal()
    this.#streams.heal()
  }

  #set(faults: LinkFaults, pace: { readonly pieceBytes: number; readonly bytesPerMs: number }): void {
    const [least, most] = faults.delayMs
    this.gossip.faults = faults
    this.#streams.setConditions({ delayMs: least, jitterMs: most - least, ...pace })
  }
}

const QUICK = { pieceBytes: Infinity, bytesPerMs: Infinity }
