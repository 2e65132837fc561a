/** Decides when and with whom the registry is compared: at connect, every few seconds with a random peer, and when somebody knows more. */
import type { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Timer } from '../ports/clock.ts'
import { jittered, type MembershipDeps } from './deps.ts'
import { type SyncDeps, syncWith } from './sync.ts'

/** After a connection, so that of two nodes that meet one finds the work done. */
const AFTER_CONNECT_MS = 200
/** How soon after one sync with a peer another makes sense. */
const AGAIN_MS = 1_000

export class SyncSchedule {
  readonly #deps: MembershipDeps
  readonly #sync: SyncDeps
  /** The connected peers that this node dialled: whoever wants to surround it can only come to it. */
  readonly #dialled: () => ReadonlySet<NodeId>
  readonly #running = new Map<NodeId, Promise<boolean>>()
  /** Peers whose turn came while enough others were being compared with. */
  readonly #due = new Set<NodeId>()
  readonly #finished = new Map<NodeId, number>()
  /** Peers that were compared with in full since the start. */
  readonly #joined = new Set<NodeId>()
  readonly #stopped = new AbortController()
  #timer: Timer | undefined
  #unsubscribe: (() => void) | undefined

  constructor(deps: MembershipDeps, sync: SyncDeps, dialled: () => ReadonlySet<NodeId>) {
    this.#deps = deps
    this.#sync = sync
    this.#dialled = dialled
  }

  start(): void {
    const { gossip, clock, chance } = this.#deps
    this.#unsubscribe = gossip.onChange(({ peer, isConnected }) => {
      if (!isConnected) this.#forget(peer)
      else clock.after(Math.round(AFTER_CONNECT_MS * chance.fraction()), () => this.soon(peer))
    })
    for (const peer of gossip.peers()) this.soon(peer)
    this.#scheduleNext()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#unsubscribe?.()
    this.#due.clear()
    this.#stopped.abort(new Error('membership has stopped'))
  }

  /** Whether enough peers were compared with to believe that the table is whole; of those that it dialled, where there are any. */
  get hasJoined(): boolean {
    const dialled = this.#dialled()
    const joined = dialled.size === 0 ? this.#joined : dialled.intersection(this.#joined)
    const connected = dialled.size === 0 ? this.#deps.gossip.peers().length : dialled.size
    return joined.size >= Math.min(limit('syncJoinPeers'), Math.max(1, connected))
  }

  /** Compares with `peer` unless that is being done or was done just now. */
  soon(peer: NodeId): void {
    const at = this.#deps.clock.monotonic()
    const finishedAt = this.#finished.get(peer)
    if (this.#stopped.signal.aborted || this.#running.has(peer)) return
    if (finishedAt !== undefined && at - finishedAt < AGAIN_MS) return
    if (this.#running.size >= limit('syncsAtOnce')) this.#due.add(peer)
    else void this.compare(peer)
  }

  /** Compares with `peer` now, or waits for the comparison that runs; whether it came to an end. False at once where none can begin. */
  async compare(peer: NodeId): Promise<boolean> {
    const running = this.#running.get(peer)
    if (running !== undefined) return running
    this.#due.delete(peer)
    if (this.#stopped.signal.aborted || this.#running.size >= limit('syncsAtOnce')) return false
    if (!this.#deps.gossip.peers().includes(peer)) return false
    const run = this.#run(peer)
    this.#running.set(peer, run)
    return run
  }

  /** A peer began a sync with us: ours with it can wait. */
  heardHello(peer: NodeId): void {
    if (this.#joined.has(peer)) this.#finished.set(peer, this.#deps.clock.monotonic())
  }

  async #run(peer: NodeId): Promise<boolean> {
    const { clock, log } = this.#deps
    const { signal } = this.#stopped
    try {
      const result = await syncWith(this.#sync, peer, { signal })
      this.#joined.add(peer)
      if (result.received + result.sent > 0) log.debug({ peer, ...result }, 'registries compared')
      return true
    } catch (error) {
      // The next peer, or this one later, makes up for it.
      if (!signal.aborted) log.debug({ peer, code: (error as Partial<HeddleError>).code }, 'cannot compare registries')
      return false
    } finally {
      this.#running.delete(peer)
      this.#finished.set(peer, clock.monotonic())
      const next = this.#nextDue()
      if (next !== undefined) void this.compare(next)
    }
  }

  /** Those that this node dialled go first. */
  #nextDue(): NodeId | undefined {
    const [first] = this.#dialled().intersection(this.#due)
    const [other] = this.#due
    return first ?? other
  }

  #scheduleNext(): void {
    const { clock, chance, gossip } = this.#deps
    const pauseMs = this.hasJoined ? limit('syncIntervalMs') : limit('syncIntervalMs') / 5
    this.#timer = clock.after(jittered(chance, pauseMs), () => {
      const peers = gossip.peers()
      // Every second one is of those that this node dialled, however many others came.
      const dialled = [...this.#dialled()]
      const choice = dialled.length > 0 && chance.fraction() < 1 / 2 ? dialled : peers
      const fresh = this.hasJoined ? choice : choice.filter((peer) => !this.#joined.has(peer))
      const peer = fresh[Math.floor(chance.fraction() * fresh.length)]
      if (peer !== undefined) this.soon(peer)
      this.#scheduleNext()
    })
  }

  #forget(peer: NodeId): void {
    this.#finished.delete(peer)
    this.#joined.delete(peer)
    this.#due.delete(peer)
  }
}
