/** What the peers said of themselves when they began to compare registries: their network, their version and their clock. */
import type { NetworkId, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { type Hello, SYNC_VERSION } from '../core/registry/sync-messages.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'

const MOST_PEERS = 64
const MS_PER_MINUTE = 60_000

interface Said {
  readonly network: NetworkId
  readonly version: number
  /** How far its clock is ahead of ours. */
  readonly skewMs: number
}

export interface PeerHellosDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly network: NetworkId
}

export class PeerHellos {
  readonly #deps: PeerHellosDeps
  /** The newest of each peer; the one that was silent for longest is forgotten first. */
  readonly #said = new Map<NodeId, Said>()

  constructor(deps: PeerHellosDeps) {
    this.#deps = deps
  }

  heard(peer: NodeId, { network, version, now }: Hello): void {
    const before = this.#problemOf(peer)
    this.#said.delete(peer)
    this.#said.set(peer, { network, version, skewMs: now - this.#deps.clock.now() })
    const [oldest] = this.#said.keys()
    if (this.#said.size > MOST_PEERS && oldest !== undefined) this.#said.delete(oldest)
    const problem = this.#problemOf(peer)
    if (problem === undefined || before?.kind === problem.kind) return
    this.#deps.log.warn({ peer, ...problem.fields }, problem.message)
  }

  /** Why nothing but hellos is exchanged with a peer, for people. Its records would be refused one by one, so it is told at once. */
  objectionTo(peer: NodeId): string | undefined {
    const problem = this.#problemOf(peer)
    return problem?.kind === 'clock' ? undefined : problem?.text
  }

  /** How far our clock is behind those of the peers, in the middle; undefined before the first hello. */
  get clockSkewMs(): number | undefined {
    const skews = [...this.#said.values()].map(({ skewMs }) => skewMs).sort((a, b) => a - b)
    return skews[Math.floor(skews.length / 2)]
  }

  #problemOf(peer: NodeId): Problem | undefined {
    const said = this.#said.get(peer)
    if (said === undefined) return undefined
    const { network } = this.#deps
    if (said.network !== network) return otherNetwork(peer, said.network, network)
    if (said.version !== SYNC_VERSION) return otherVersion(peer, said.version)
    return Math.abs(said.skewMs) > limit('freshClockMs') ? wrongClock(peer, said.skewMs) : undefined
  }
}

interface Problem {
  readonly kind: 'network' | 'version' | 'clock' | 'far clock'
  /** Names the peer. */
  readonly text: string
  readonly fields: Readonly<Record<string, string | number>>
  readonly message: string
}

function otherNetwork(peer: NodeId, found: NetworkId, ours: NetworkId): Problem {
  return {
    kind: 'network',
    text: `${peer} belongs to network ${found}, this node to ${ours}`,
    fields: { found, ours },
    message: 'a peer belongs to another network; nothing is exchanged with it',
  }
}

function otherVersion(peer: NodeId, found: number): Problem {
  return {
    kind: 'version',
    text: `${peer} speaks version ${found} of the sync protocol, this node ${SYNC_VERSION}`,
    fields: { found, ours: SYNC_VERSION },
    message: 'a peer speaks another version of the sync protocol; the older of the two needs an update',
  }
}

function wrongClock(peer: NodeId, skewMs: number): Problem {
  const minutes = Math.round(Math.abs(skewMs) / MS_PER_MINUTE)
  const isFar = Math.abs(skewMs) > limit('clockToleranceMs')
  return {
    kind: isFar ? 'far clock' : 'clock',
    text: `the clock of ${peer} is ${minutes} min ${skewMs > 0 ? 'ahead of' : 'behind'} this node's; one of the two is wrong`,
    fields: { skewMs },
    message: isFar
      ? 'the clocks of this node and a peer differ too much; neither takes the other’s records'
      : 'the clocks of this node and a peer differ; one of the two is wrong',
  }
}
