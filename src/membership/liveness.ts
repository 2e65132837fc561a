/** Which nodes can be reached, as this node alone sees it: first by what requests to them came to, then by probes. Never written into a record. */
import { HeddleError } from '../core/errors.ts'
import type { MonotonicMs, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { PeerOutcome } from '../core/mesh/peer-outcome.ts'
import type { Timer } from '../ports/clock.ts'
import type { MembershipDeps } from './deps.ts'

export type PeerState =
  /** Nothing was tried: its lease says that it lives. */
  | 'unproven'
  | 'up'
  /** A request or probe failed just now; it gets no requests until a probe succeeds. */
  | 'suspect'
  /** Several in a row failed. */
  | 'down'

export interface PeerView {
  readonly state: PeerState
  /** For people; empty while it is up. */
  readonly reason: string
  readonly since: MonotonicMs
  readonly failures: number
  /** Of the newest answer. */
  readonly rttMs: number | undefined
}

const UNPROVEN: PeerView = { state: 'unproven', reason: '', since: 0 as MonotonicMs, failures: 0, rttMs: undefined }

export class Liveness {
  readonly #deps: Pick<MembershipDeps, 'clock' | 'probe' | 'log'>
  readonly #views = new Map<NodeId, PeerView>()
  readonly #probes = new Map<NodeId, Timer>()
  /** Peers whose probe fell due while enough others ran. */
  readonly #queue: NodeId[] = []
  readonly #stopped = new AbortController()
  #running = 0
  #version = 0

  constructor(deps: Pick<MembershipDeps, 'clock' | 'probe' | 'log'>) {
    this.#deps = deps
  }

  /** Grows whenever a state changed. */
  get version(): number {
    return this.#version
  }

  /** Peers of which something is known. */
  get size(): number {
    return this.#views.size
  }

  view(peer: NodeId): PeerView {
    return this.#views.get(peer) ?? UNPROVEN
  }

  /** Whether requests may go to `peer`. */
  isUsable(peer: NodeId): boolean {
    const { state } = this.view(peer)
    return state === 'up' || state === 'unproven'
  }

  observed(peer: NodeId, outcome: PeerOutcome): void {
    if (outcome.kind === 'answered') this.#answered(peer, outcome.rttMs)
    else this.#failed(peer, outcome.reason)
  }

  /** A connection was made or broke. Breaking alone is no failure: it may be idle and is made again by the next request. */
  connected(peer: NodeId): void {
    if (!this.isUsable(peer)) this.#answered(peer, undefined)
  }

  /**
   * A session with `peer` is no more. One that fell silent is a failure. One that broke is none yet, but a probe at once tells, before
   * a request has to; of many that break together a few are probed at a time.
   */
  lost(peer: NodeId, why: 'broken' | 'silent'): void {
    if (why === 'silent') this.#failed(peer, 'it fell silent')
    else if (this.isUsable(peer)) this.#scheduleProbe(peer, 0)
  }

  /** Forgets the peers that are no longer listed. */
  retain(isListed: (peer: NodeId) => boolean): void {
    for (const peer of new Set([...this.#views.keys(), ...this.#probes.keys()])) {
      if (isListed(peer)) continue
      this.#probes.get(peer)?.cancel()
      this.#probes.delete(peer)
      this.#views.delete(peer)
      this.#version += 1
    }
  }

  stop(): void {
    for (const timer of this.#probes.values()) timer.cancel()
    this.#probes.clear()
    this.#queue.length = 0
    this.#stopped.abort(new Error('membership has stopped'))
  }

  #answered(peer: NodeId, rttMs: number | undefined): void {
    const before = this.view(peer)
    const isChange = before.state !== 'up'
    const since = isChange ? this.#deps.clock.monotonic() : before.since
    this.#views.set(peer, { state: 'up', reason: '', since, failures: 0, rttMs: rttMs ?? before.rttMs })
    this.#probes.get(peer)?.cancel()
    this.#probes.delete(peer)
    if (isChange) this.#version += 1
  }

  #failed(peer: NodeId, reason: string): void {
    const before = this.view(peer)
    // What fails together, such as all requests on a session, is one failure; the next is that of the probe which is due.
    const isSame = before.failures > 0 && this.#probes.has(peer)
    const failures = isSame ? before.failures : before.failures + 1
    const state = failures >= limit('peerProbeFailures') ? 'down' : 'suspect'
    const isChange = before.state !== state
    const since = isChange ? this.#deps.clock.monotonic() : before.since
    this.#views.set(peer, { state, reason, since, failures, rttMs: before.rttMs })
    if (isChange) this.#version += 1
    if (isChange && state === 'suspect')
      this.#deps.log.info({ peer, reason }, 'a peer cannot be reached; it gets no requests for now')
    this.#scheduleProbe(peer, Math.min(limit('peerProbeMaxMs'), limit('peerProbeMinMs') * 2 ** (failures - 1)))
  }

  #scheduleProbe(peer: NodeId, pauseMs: number): void {
    if (this.#probes.has(peer) || this.#stopped.signal.aborted) return
    const timer = this.#deps.clock.after(pauseMs, () => {
      if (this.#running < limit('peerProbes')) void this.#probe(peer)
      else this.#queue.push(peer)
    })
    this.#probes.set(peer, timer)
  }

  async #probe(peer: NodeId): Promise<void> {
    const { clock, probe } = this.#deps
    const late = new AbortController()
    this.#running += 1
    const startedAt = clock.monotonic()
    try {
      using _ = clock.after(limit('peerProbeTimeoutMs'), () =>
        late.abort(new HeddleError('timeout', 'no answer to a probe')),
      )
      await probe(peer, { signal: AbortSignal.any([this.#stopped.signal, late.signal]) })
      if (this.#probes.has(peer)) this.#answered(peer, clock.monotonic() - startedAt)
    } catch (error) {
      // Forgotten or heard of meanwhile: its failure means nothing any more.
      if (this.#probes.delete(peer)) this.#failed(peer, reasonOf(error))
    } finally {
      this.#running -= 1
      this.#probeNext()
    }
  }

  /** Of those that wait, some were heard of or forgotten meanwhile. */
  #probeNext(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      if (this.#probes.has(next)) return void this.#probe(next)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof HeddleError ? error.message : 'it does not answer'
}
