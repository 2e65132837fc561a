/** A network of a thousand nodes in virtual time. */

/*
 * Each is a real membership with a registry of its own and signs with its own key. What a message says and whether its
 * signature is good is computed once for all of them, except at the newcomers, which compute it all.
 */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { beatIntervalMs } from '../../src/core/registry/lease.ts'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, scheme, TestDevice } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { sharedReaders, sharedScheme } from './shared-readers.ts'

const SECOND = 1_000
const STEP_MS = 50
/** One way; what is common between cities of one continent. */
const LINK_DELAY_MS = [5, 60] as const
const LOSS = 0.01
/** Dials of each node when the network forms; it gets as many from others. */
const DIALS = 4
const SETTLE_MS = 2 * SECOND
const QUOTAS = { records: 100_000, perBlock: 100_000, withoutBlock: 100_000 }
const FIRST_DEVICE = 10_000

export interface NetworkFigures {
  readonly nodes: number
  /** Virtual time from the start of a newcomer until it listed everybody. */
  readonly joinMs: readonly number[]
  /** Virtual time from a change until 99 % of all nodes had it, and until all had it. */
  readonly spreadMs: readonly number[]
  readonly everybodyMs: readonly number[]
  /** Of an average node in a minute without changes: gossip heard first, all copies of it, comparisons; one direction each. */
  readonly messagesPerMinute: number
  readonly copiesPerMessage: number
  readonly gossipKilobytesPerMinute: number
  readonly syncKilobytesPerMinute: number
}

export interface NetworkOptions {
  readonly joins: number
  readonly changes: number
  readonly steadySeconds: number
  readonly signal: AbortSignal
}

export async function simulateNetwork(count: number, options: NetworkOptions): Promise<NetworkFigures> {
  const run = new NetworkRun(count, options)
  await run.form()
  const joinMs = await run.join()
  const spread = await run.change()
  const steady = await run.rest()
  await run.end()
  return { nodes: count, joinMs, ...spread, ...steady }
}

class NetworkRun {
  readonly #options: NetworkOptions
  readonly #clock = new MemoryClock()
  readonly #chance = seededChance(11)
  readonly #network = new MemoryGossipNetwork({ clock: this.#clock, chance: this.#chance })
  readonly #devices: readonly TestDevice[]
  readonly #nodes: SimulatedNode[] = []

  constructor(count: number, options: NetworkOptions) {
    this.#options = options
    this.#devices = Array.from({ length: count }, (_, index) => new TestDevice(FIRST_DEVICE + index))
    this.#network.faults = { delayMs: LINK_DELAY_MS, loss: LOSS, duplication: 0 }
  }

  /** All but the newcomers start, connected to some of those before them, and know each other as after a long time. */
  async form(): Promise<void> {
    const [readers, shared] = [sharedReaders(), sharedScheme(scheme)]
    const old = this.#devices.slice(0, this.#devices.length - this.#options.joins)
    const common = { clock: this.#clock, network: this.#network, chance: this.#chance, quotas: QUOTAS }
    for (const device of old) {
      const deps = { ...common, scheme: shared, readers, bootstrap: [] }
      const earlier = [...this.#nodes]
      const node = new SimulatedNode(deps, device, {
        hasDisk: false,
        onOpen: async (gossip) => this.#connect(gossip, earlier),
      })
      await node.start()
      this.#nodes.push(node)
      this.#meet(node)
      // So that their beats do not come all at once for ever.
      await this.#clock.advance(Math.round(beatIntervalMs(old.length) / old.length))
    }
    await this.#clock.advance(SETTLE_MS)
  }

  /** Connects a node that starts with some of those before it, in no time. */
  #connect(gossip: MemoryGossip, earlier: readonly SimulatedNode[]): void {
    for (let dial = 0; dial < Math.min(DIALS, earlier.length); dial += 1) {
      const other = this.#network.node(nth(earlier, this.#below(earlier.length)).peer)
      if (other === undefined) continue
      gossip.gained(other.self)
      other.gained(gossip.self)
    }
  }

  /** Registers `node` and those before it at each other, without the way over the network. */
  #meet(node: SimulatedNode): void {
    const record = (of: SimulatedNode): Uint8Array | undefined =>
      of.membership.registry.table.get(of.peer)?.signed.bytes
    const own = record(node)
    const arrival = {
      now: this.#clock.now(),
      at: this.#clock.monotonic(),
      source: 'author' as const,
      idleMs: 0,
    }
    for (const other of this.#nodes) {
      if (other === node) return
      const theirs = record(other)
      if (own !== undefined) other.membership.registry.receiveRecord(own, arrival)
      if (theirs !== undefined) node.membership.registry.receiveRecord(theirs, arrival)
    }
  }

  async join(): Promise<readonly number[]> {
    const joinMs: number[] = []
    for (const device of this.#devices.slice(this.#nodes.length)) {
      const bootstrap = [nth(this.#nodes, this.#below(this.#nodes.length)).peer]
      const deps = {
        clock: this.#clock,
        network: this.#network,
        chance: this.#chance,
        scheme,
        bootstrap,
        quotas: QUOTAS,
      }
      const node = new SimulatedNode(deps, device, { hasDisk: false })
      this.#nodes.push(node)
      await node.start()
      const listed = (): number => node.membership.registry.table.live
      joinMs.push(await this.#until(() => listed() >= this.#nodes.length, 60 * SECOND))
    }
    return joinMs
  }

  async change(): Promise<Pick<NetworkFigures, 'spreadMs' | 'everybodyMs'>> {
    const [spreadMs, everybodyMs]: [number[], number[]] = [[], []]
    for (let change = 0; change < this.#options.changes; change += 1) {
      const model = `changed-${change}`
      nth(this.#nodes, this.#below(this.#nodes.length)).changeModel(model)
      const knowing = (): number =>
        this.#nodes.filter(({ membership }) => membership.registry.table.having('model', model).length === 1).length
      const most = await this.#until(() => knowing() >= 0.99 * this.#nodes.length, 30 * SECOND)
      spreadMs.push(most)
      everybodyMs.push(most + (await this.#until(() => knowing() === this.#nodes.length, 60 * SECOND)))
    }
    return { spreadMs, everybodyMs }
  }

  async rest(): Promise<
    Pick<
      NetworkFigures,
      'messagesPerMinute' | 'copiesPerMessage' | 'gossipKilobytesPerMinute' | 'syncKilobytesPerMinute'
    >
  > {
    const { steadySeconds } = this.#options
    const before = { ...this.#network.counts }
    await this.#clock.advance(steadySeconds * SECOND)
    const after = this.#network.counts
    const perNode = 60 / steadySeconds / this.#nodes.length
    const deliveries = after.deliveries - before.deliveries
    const gossipBytes = after.gossipBytes - before.gossipBytes
    return {
      messagesPerMinute: deliveries * perNode,
      copiesPerMessage: (after.copies - before.copies) / deliveries,
      gossipKilobytesPerMinute: (gossipBytes * perNode) / 1_000,
      syncKilobytesPerMinute: ((after.questionBytes - before.questionBytes) * perNode) / 1_000,
    }
  }

  async end(): Promise<void> {
    for (const node of this.#nodes) await node.kill()
  }

  /** The virtual time until it is true; `mostMs` where it did not come to that. */
  async #until(isTrue: () => boolean, mostMs: number): Promise<number> {
    const from = this.#clock.monotonic()
    while (!isTrue() && this.#clock.monotonic() - from < mostMs) {
      this.#options.signal.throwIfAborted()
      await this.#clock.advance(STEP_MS)
    }
    return this.#clock.monotonic() - from
  }

  #below(most: number): number {
    return Math.floor(this.#chance() * most)
  }
}
