/** Keeps this node connected: to its bootstraps at first, then to some of the nodes it knows, and again to those it lost. */
import { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { blocksOf } from '../core/registry/address-block.ts'
import { beatIntervalMs } from '../core/registry/lease.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { Timer } from '../ports/clock.ts'
import { jittered, type MembershipDeps } from './deps.ts'
import { GoodPeers } from './good-peers.ts'

/** Where the first peers are; asked again in every round that needs it, as an HTTP endpoint may list others by then. */
export type BootstrapSource = (options: { readonly signal: AbortSignal }) => Promise<readonly string[]>

export interface BootstrapView {
  /** Addresses that were to be dialled in the last round; 0 where none are configured. */
  readonly addresses: number
  /** Rounds in a row without any connection. */
  readonly failedRounds: number
  /** Why the last dial failed, for people; empty after a success. */
  readonly reason: string
}

/** Groups of connected peers beside the address blocks: without a public address, and of whom no record is known. */
const ELSEWHERE = 'elsewhere'
const UNLISTED = 'unlisted'

interface Target {
  readonly peer: NodeId | undefined
  readonly addresses: readonly string[]
}

export class Connecting {
  readonly good = new GoodPeers()
  readonly #deps: MembershipDeps
  readonly #registry: Registry
  readonly #bootstrap: BootstrapSource
  readonly #dialled = new Set<NodeId>()
  readonly #stopped = new AbortController()
  #timer: Timer | undefined
  #nextBootstrapAt = 0
  #view: BootstrapView = { addresses: 0, failedRounds: 0, reason: '' }
  #unsubscribe: (() => void) | undefined

  constructor(deps: MembershipDeps, registry: Registry, bootstrap: BootstrapSource) {
    this.#deps = deps
    this.#registry = registry
    this.#bootstrap = bootstrap
  }

  /** The connected peers that this node dialled. */
  dialled(): ReadonlySet<NodeId> {
    return this.#dialled
  }

  get view(): BootstrapView {
    return this.#view
  }

  start(): void {
    this.#unsubscribe = this.#deps.gossip.onChange(({ peer, isConnected }) => {
      if (!isConnected) this.#dialled.delete(peer)
      this.#remember(peer)
    })
    void this.#round()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#unsubscribe?.()
    this.#stopped.abort(new Error('membership has stopped'))
  }

  async #round(): Promise<void> {
    const { signal } = this.#stopped
    const { gossip } = this.#deps
    for (const peer of gossip.peers()) this.#remember(peer)
    if (gossip.peers().length === 0) await this.#bootstrapRound({ signal })
    else {
      this.#view = { ...this.#view, failedRounds: 0, reason: '' }
      await this.#dialAll([...this.#choose(), ...(await this.#someBootstrap({ signal }))], { signal })
    }
    if (signal.aborted) return
    this.#timer = this.#deps.clock.after(this.#pauseMs(), () => void this.#round())
  }

  /** Nobody is connected: everything that might answer is tried, those of last time first. */
  async #bootstrapRound(options: { readonly signal: AbortSignal }): Promise<void> {
    const { addresses, unread } = await this.#configured(options)
    const targets: readonly Target[] = [
      ...this.good.all().slice(0, limit('wantedPeers')),
      ...addresses.map((address) => ({ peer: undefined, addresses: [address] })),
      ...this.#someStale(),
    ].slice(0, limit('bootstrapAddresses'))
    const failure = await this.#dialAll(targets, options)
    const reason = unread ?? failure ?? ''
    const isAlone = this.#deps.gossip.peers().length === 0
    const hasTried = targets.length > 0 || unread !== undefined
    const failedRounds = isAlone && hasTried ? this.#view.failedRounds + 1 : 0
    if (failedRounds === 1)
      this.#deps.log.warn({ addresses: targets.length, reason }, 'no bootstrap answers; trying again')
    this.#view = { addresses: targets.length, failedRounds, reason: isAlone ? reason : '' }
  }

  /** `unread`: why there is no list. The good peers may answer even so, and the next round asks again. */
  async #configured(options: {
    readonly signal: AbortSignal
  }): Promise<{ readonly addresses: readonly string[]; readonly unread?: string }> {
    try {
      return { addresses: await this.#bootstrap(options) }
    } catch (error) {
      return { addresses: [], unread: reasonOf(error) }
    }
  }

  /** Now and then one bootstrap although there are connections: two groups that never met may both be whole by themselves. */
  async #someBootstrap(options: { readonly signal: AbortSignal }): Promise<readonly Target[]> {
    const at = this.#deps.clock.monotonic()
    if (at < this.#nextBootstrapAt) return []
    this.#nextBootstrapAt = at + jittered(this.#deps.chance, 2 * beatIntervalMs(this.#registry.table.live))
    const { addresses } = await this.#configured(options)
    return this.#some(addresses, 1).map((address) => ({ peer: undefined, addresses: [address] }))
  }

  /** Whom to connect to while there are connections: a few listed nodes up to the wanted number, and one of the lost ones. */
  #choose(): readonly Target[] {
    const connected = new Set(this.#deps.gossip.peers())
    const missing = limit('wantedPeers') - this.#countedPeers()
    const others = [...(missing > 0 ? this.#registry.table.values() : [])].filter(
      ({ record }) => record.peer !== this.#registry.self && !connected.has(record.peer) && record.addresses.length > 0,
    )
    const chosen = this.#spread(others, missing).map(({ record }) => record)
    const lost = this.good
      .all()
      .filter(({ peer }) => !connected.has(peer) && this.#registry.table.get(peer)?.status !== 'live')
    return [...chosen, ...this.#some(lost, 1)]
  }

  /** Connections, of one address block and of peers that are not listed no more than the limit: many from one site are no more worth. */
  #countedPeers(): number {
    const groups = [...this.#connectedBlocks()].map(([block, count]) =>
      block === ELSEWHERE ? count : Math.min(count, limit('dialsPerBlock')),
    )
    return groups.reduce((sum, count) => sum + count, 0)
  }

  /** How many connected peers there are of each address block. */
  #connectedBlocks(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const peer of this.#deps.gossip.peers()) {
      const record = this.#registry.table.get(peer)?.record
      const [block = ELSEWHERE] = record === undefined ? [UNLISTED] : blocksOf(record.addresses)
      counts.set(block, (counts.get(block) ?? 0) + 1)
    }
    return counts
  }

  #someStale(): readonly Target[] {
    const stale = [...this.#registry.table.values()].filter(({ record }) => record.peer !== this.#registry.self)
    return this.#spread(stale, limit('wantedPeers')).map(({ record }) => record)
  }

  /** Up to `most` nodes, chosen by chance, no more of one address block than the limit together with those connected. */
  #spread(entries: readonly RegistryEntry[], most: number): readonly RegistryEntry[] {
    const taken = this.#connectedBlocks()
    const count = (block: string): unknown => taken.set(block, (taken.get(block) ?? 0) + 1)
    const chosen: RegistryEntry[] = []
    for (const entry of this.#shuffled(entries)) {
      if (chosen.length >= most) break
      const blocks = blocksOf(entry.record.addresses)
      if (blocks.some((block) => (taken.get(block) ?? 0) >= limit('dialsPerBlock'))) continue
      blocks.forEach(count)
      chosen.push(entry)
    }
    return chosen
  }

  /** Dials some at a time until there are enough connections; why the last failure failed. */
  async #dialAll(targets: readonly Target[], options: { readonly signal: AbortSignal }): Promise<string | undefined> {
    const left = targets.values()
    let reason: string | undefined
    const dialNext = async (): Promise<void> => {
      for (const target of left) {
        if (options.signal.aborted || this.#deps.gossip.peers().length > limit('wantedPeers')) return
        reason = (await this.#dial(target, options)) ?? reason
      }
    }
    // The dialers share one iterator, so each target is dialled once.
    await Promise.all(Array.from({ length: limit('dialsAtOnce') }, dialNext))
    return reason
  }

  /** Why none of the addresses answered; undefined after a success. */
  async #dial({ peer, addresses }: Target, { signal }: { readonly signal: AbortSignal }): Promise<string | undefined> {
    const { clock, gossip, log } = this.#deps
    let reason = 'it has no address'
    for (const address of addresses) {
      if (signal.aborted || (peer !== undefined && gossip.peers().includes(peer))) return undefined
      const late = new AbortController()
      try {
        using _ = clock.after(limit('connectTimeoutMs'), () =>
          late.abort(new HeddleError('timeout', 'no answer in time')),
        )
        const reached = await gossip.connect(address, { signal: AbortSignal.any([signal, late.signal]) })
        if (gossip.peers().includes(reached)) this.#dialled.add(reached)
        this.good.add({ peer: reached, addresses: this.#registry.table.get(reached)?.record.addresses ?? [address] })
        return undefined
      } catch (error) {
        // The next address, peer or round.
        reason = reasonOf(error)
        if (!signal.aborted) log.debug({ address, reason }, 'cannot connect')
      }
    }
    return reason
  }

  #remember(peer: NodeId): void {
    const record = this.#registry.table.get(peer)?.record
    if (record !== undefined) this.good.add(record)
  }

  #pauseMs(): number {
    const { failedRounds } = this.#view
    const pauseMs =
      failedRounds === 0
        ? limit('connectIntervalMs')
        : Math.min(limit('bootstrapRetryMaxMs'), limit('bootstrapRetryMinMs') * 2 ** (failedRounds - 1))
    return jittered(this.#deps.chance, pauseMs)
  }

  /** Up to `most` of the items, chosen by chance. */
  #some<T>(items: readonly T[], most: number): readonly T[] {
    const chosen: T[] = []
    for (const item of this.#shuffled(items)) {
      if (chosen.length >= most) break
      chosen.push(item)
    }
    return chosen
  }

  /** The items in an order of chance, as far as they are asked for. */
  *#shuffled<T>(items: readonly T[]): Generator<T> {
    const left = [...items]
    while (left.length > 0) {
      const index = Math.floor(this.#deps.chance.fraction() * left.length)
      const item = left[index] as T
      left[index] = left.at(-1) as T
      left.pop()
      yield item
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof HeddleError ? error.message : 'it does not answer'
}
