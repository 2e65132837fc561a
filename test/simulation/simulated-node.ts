/** One node of a simulation: the real membership on virtual time, which can be killed, started again and told to change. */

import type { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import type { MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { MemorySnapshotStore } from '../../src/adapters/memory/memory-snapshot-store.ts'
import type { SignatureScheme } from '../../src/core/identity/signed-value.ts'
import { asUnixMs, type NodeId, type UnixMs } from '../../src/core/ids.ts'
import type { NodeDescription, ServiceLoad } from '../../src/core/registry/node-record.ts'
import type { QuotaLimits } from '../../src/core/registry/quotas.ts'
import { encodeQuestion, SYNC_PROTOCOL, SYNC_VERSION } from '../../src/core/registry/sync-messages.ts'
import type { LocalNode, MembershipDeps } from '../../src/membership/deps.ts'
import { Membership, type MembershipOptions, type MembershipReaders } from '../../src/membership/membership.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { SnapshotStore } from '../../src/ports/snapshot-store.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { TEST_NETWORK, type TestDevice, testDescription, testService } from '../support/registry-peer.ts'

/** A clock that shows another time of day than the others. */
class SkewedClock implements Clock {
  readonly #clock: MemoryClock
  readonly #skewMs: number

  constructor(clock: MemoryClock, skewMs: number) {
    this.#clock = clock
    this.#skewMs = skewMs
  }

  now(): UnixMs {
    return asUnixMs(this.#clock.now() + this.#skewMs)
  }

  monotonic() {
    return this.#clock.monotonic()
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#clock.after(delayMs, task)
  }

  sleep(delayMs: number, options: { readonly signal: AbortSignal }): Promise<void> {
    return this.#clock.sleep(delayMs, options)
  }
}

/** A disk that loses what is written after the power went. */
class LosableStore implements SnapshotStore {
  readonly #disk = new MemorySnapshotStore()
  hasPower = true

  load(options: { readonly signal: AbortSignal }): Promise<Uint8Array | undefined> {
    return this.#disk.load(options)
  }

  async save(bytes: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.hasPower) await this.#disk.save(bytes, options)
  }
}

export interface SimulatedNodeDeps {
  readonly clock: MemoryClock
  readonly network: MemoryGossipNetwork
  readonly chance: () => number
  readonly scheme: SignatureScheme
  readonly bootstrap: readonly NodeId[]
  readonly quotas?: QuotaLimits
  /** For many nodes in one process: each message is read once for all of them. */
  readonly readers?: MembershipReaders
}

export interface SimulatedNodeOptions {
  readonly skewMs?: number
  readonly details?: boolean
  /** False: nothing is kept for the next start. */
  readonly hasDisk?: boolean
  /** Everybody is admitted where this is left out. */
  readonly objectionTo?: MembershipDeps['objectionTo']
  /** How it asks another for a sign of life; by a question of a sync where this is left out. */
  readonly probe?: MembershipDeps['probe']
  /** Where it has its bootstraps from; those of its deps where this is left out. */
  readonly bootstrap?: MembershipOptions['bootstrap']
  /** As on a private network. */
  readonly membersOnly?: boolean
  /** Called at each start with the node's end of the network, before its membership begins. */
  readonly onOpen?: (gossip: MemoryGossip) => Promise<void>
}

export class SimulatedNode {
  readonly device: TestDevice
  readonly #deps: SimulatedNodeDeps
  readonly #options: SimulatedNodeOptions
  readonly #store = new LosableStore()
  readonly #clock: Clock
  readonly #listeners = new Set<(what: 'load' | 'description') => void>()
  readonly log = new RecordingLogger()
  #description: NodeDescription
  #membership: Membership | undefined
  /** Virtual time of the last stop; undefined while it runs. */
  stoppedAtMs: number | undefined

  constructor(deps: SimulatedNodeDeps, device: TestDevice, options: SimulatedNodeOptions = {}) {
    const { skewMs = 0, details = true } = options
    this.#deps = deps
    this.#options = options
    this.device = device
    this.#clock = new SkewedClock(deps.clock, skewMs)
    this.#description = testDescription({
      name: `node ${device.peer.slice(-4)}`,
      addresses: [`/memory/${device.peer}`],
      ...(details ? {} : { hardware: undefined }),
    })
  }

  get peer(): NodeId {
    return this.device.peer
  }

  get isUp(): boolean {
    return this.#membership !== undefined
  }

  get membership(): Membership {
    if (this.#membership === undefined) throw new Error(`${this.peer} is down`)
    return this.#membership
  }

  async start(): Promise<void> {
    if (this.#membership !== undefined) return
    const { chance, network, scheme, bootstrap, quotas, readers } = this.#deps
    const gossip = network.open(this.peer)
    const local: LocalNode = {
      describe: () => this.#description,
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => void this.#listeners.delete(listener)
      },
    }
    const deps: MembershipDeps = {
      clock: this.#clock,
      chance: { fraction: chance },
      log: this.log,
      scheme,
      key: this.device.key,
      network: TEST_NETWORK,
      local,
      gossip,
      store: (this.#options.hasDisk ?? true) ? this.#store : undefined,
      membersOnly: this.#options.membersOnly ?? false,
      objectionTo: this.#options.objectionTo ?? (() => undefined),
      trustOf: () => 'network',
      probe: this.#options.probe ?? ((peer, options) => this.#probe(gossip, peer, options)),
    }
    await this.#options.onOpen?.(gossip)
    this.#store.hasPower = true
    this.stoppedAtMs = undefined
    const addresses = bootstrap.filter((peer) => peer !== this.peer).map((peer) => `/memory/${peer}`)
    this.#membership = new Membership(deps, {
      bootstrap: this.#options.bootstrap ?? (async () => addresses),
      ...(quotas && { quotas }),
      ...(readers && { readers }),
    })
    await this.#membership.start({ signal: new AbortController().signal })
  }

  async #probe(gossip: MemoryGossip, peer: NodeId, options: { readonly signal: AbortSignal }): Promise<void> {
    await gossip.connect(`/memory/${peer}`, options)
    const hello = {
      kind: 'hello' as const,
      version: SYNC_VERSION,
      network: TEST_NETWORK,
      now: this.#clock.now(),
      sums: new Uint8Array(8),
    }
    await gossip.ask(peer, SYNC_PROTOCOL, encodeQuestion(hello), options)
  }

  /** Gone without a word, and without its last writes. */
  async kill(): Promise<void> {
    this.#store.hasPower = false
    this.#deps.network.remove(this.peer)
    await this.#end()
  }

  /** Says farewell first. */
  async leave(): Promise<void> {
    await this.#membership?.leave({ signal: new AbortController().signal })
    // What was just handed to the network is on its way before the connections close.
    const { clock, network } = this.#deps
    const node = network.node(this.peer)
    if (node !== undefined) clock.after(network.faults.delayMs[1] + 1, () => network.remove(this.peer, node))
    await this.#end()
  }

  change(changes: Partial<NodeDescription>): void {
    this.#description = { ...this.#description, ...changes }
    for (const listener of this.#listeners) listener('description')
  }

  changeModel(id: string): void {
    const [service] = this.#description.services
    this.change({
      services: [testService({ ...service, offers: testService().offers.map((offer) => ({ ...offer, id })) })],
    })
  }

  changeLoad(load: Partial<ServiceLoad>): void {
    const services = this.#description.services.map((service) => ({ ...service, load: { ...service.load, ...load } }))
    this.#description = { ...this.#description, services }
    for (const listener of this.#listeners) listener('load')
  }

  async #end(): Promise<void> {
    const membership = this.#membership
    this.#membership = undefined
    this.stoppedAtMs = this.#deps.clock.monotonic()
    await membership?.[Symbol.asyncDispose]()
    this.#listeners.clear()
  }
}
