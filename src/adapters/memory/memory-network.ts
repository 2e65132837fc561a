/** A network of named hosts in one process, on virtual time and seeded chance: the same seed gives the same run. */
import type { NodeId } from '../../core/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import { MemoryHost } from './memory-host.ts'
import { type LinkConditions, NetworkLink } from './memory-link.ts'
import { SeededRandom } from './seeded-random.ts'

export interface MemoryNetworkDeps {
  readonly clock: Clock
}

export interface MemoryNetworkOptions {
  readonly seed: number
  /** What differs from a quiet local network. */
  readonly conditions?: Partial<LinkConditions>
}

const QUIET: LinkConditions = {
  delayMs: 1,
  jitterMs: 0,
  bytesPerMs: Infinity,
  pieceBytes: Infinity,
  loss: 0,
  duplication: 0,
  reordering: 0,
}

export class MemoryNetwork {
  readonly clock: Clock
  readonly #seed: number
  readonly #hosts = new Map<NodeId, MemoryHost>()
  readonly #links = new Set<NetworkLink>()
  readonly #randoms = new Map<string, SeededRandom>()
  #conditions: LinkConditions
  readonly #between = new Map<string, Partial<LinkConditions>>()
  /** The part of the network that each host is in; those without an entry share one. */
  #parts: ReadonlyMap<NodeId, number> = new Map()

  constructor({ clock }: MemoryNetworkDeps, { seed, conditions }: MemoryNetworkOptions) {
    this.clock = clock
    this.#seed = seed
    this.#conditions = { ...QUIET, ...conditions }
  }

  /** The host of that name; made when it is first asked for. */
  host(id: NodeId): MemoryHost {
    let host = this.#hosts.get(id)
    if (host === undefined) {
      host = new MemoryHost(this, id)
      this.#hosts.set(id, host)
    }
    return host
  }

  /** Changes the conditions everywhere, from now on. */
  setConditions(conditions: Partial<LinkConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions }
  }

  /** Changes the conditions of the way from `from` to `to` only; the way back is another. */
  setWay(from: NodeId, to: NodeId, conditions: Partial<LinkConditions>): void {
    this.#between.set(wayOf(from, to), conditions)
  }

  /** Hosts of different groups no longer reach each other: streams are held up, datagrams lost. Unnamed hosts are one more group. */
  partition(...groups: readonly (readonly NodeId[])[]): void {
    this.#parts = new Map(groups.flatMap((group, index) => group.map((id) => [id, index + 1] as const)))
    this.#wake()
  }

  /** Ends the partition: what was held up arrives. */
  heal(): void {
    this.#parts = new Map()
    this.#wake()
  }

  /** Ends the host's process: its streams are reset, unless `silent` says that the machine lost its power. */
  crash(id: NodeId, { silent = false }: { readonly silent?: boolean } = {}): void {
    this.host(id).crash(silent)
  }

  /** Lets the host run again, without anything it had. */
  restart(id: NodeId): void {
    this.host(id).restart()
  }

  isReachable(from: NodeId, to: NodeId): boolean {
    return from === to || (this.#parts.get(from) ?? 0) === (this.#parts.get(to) ?? 0)
  }

  conditionsOf(from: NodeId, to: NodeId): LinkConditions {
    const own = this.#between.get(wayOf(from, to))
    return own === undefined ? this.#conditions : { ...this.#conditions, ...own }
  }

  /** The chance of one way: what happens elsewhere does not change it. */
  randomOf(from: NodeId, to: NodeId): SeededRandom {
    const way = wayOf(from, to)
    let random = this.#randoms.get(way)
    if (random === undefined) {
      random = new SeededRandom(hashOf(way) ^ this.#seed)
      this.#randoms.set(way, random)
    }
    return random
  }

  /** A new direction of a stream. */
  link(from: NodeId, to: NodeId): NetworkLink {
    const link = new NetworkLink({
      clock: this.clock,
      random: this.randomOf(from, to),
      conditions: () => this.conditionsOf(from, to),
      isOpen: () => this.isReachable(from, to),
    })
    this.#links.add(link)
    return link
  }

  forget(link: NetworkLink): void {
    this.#links.delete(link)
  }

  #wake(): void {
    for (const link of this.#links) link.wake()
  }
}

const wayOf = (from: NodeId, to: NodeId): string => `${from} ${to}`

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
