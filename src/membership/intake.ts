/** Judges what gossip brings: what is new goes into the registry and on to others, what breaks the rules is held against its bringer. */
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { type GossipBatch, parseBatch } from '../core/registry/gossip-batch.ts'
import type { Position } from '../core/registry/node-record.ts'
import { type Arrival, isNews, type Outcome } from '../core/registry/outcome.ts'
import { isSendersFault } from '../core/registry/record-refusal.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { Clock } from '../ports/clock.ts'
import type { GossipMessage, Verdict } from '../ports/gossip.ts'
import { TokenBuckets } from './token-buckets.ts'

export interface IntakeDeps {
  readonly clock: Clock
  readonly registry: Registry
  readonly parse?: typeof parseBatch | undefined
}

export interface IntakeEvents {
  /** Somebody has a newer or another record of ours. */
  readonly own: (position: Position) => void
  /** Two records with one number were found here; nobody else may know yet. */
  readonly equivocation: (peer: NodeId, proof: Uint8Array) => void
  /** `from` knows a node, or a newer record of one, that we do not. */
  readonly behind: (from: NodeId) => void
}

export interface IntakeCounts {
  accepted: number
  ignored: number
  rejected: number
}

export class Intake {
  readonly counts: IntakeCounts = { accepted: 0, ignored: 0, rejected: 0 }
  readonly #parse: typeof parseBatch
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #events: IntakeEvents
  readonly #messages = new TokenBuckets({
    perSecond: limit('gossipPerSecond'),
    burst: limit('gossipBurst'),
    most: limit('gossipSenders'),
  })
  readonly #flood = new TokenBuckets({
    perSecond: limit('gossipFloodPerSecond'),
    burst: limit('gossipFloodPerSecond'),
    most: limit('gossipSenders'),
  })
  /** Each item may cost a signature check, and a message holds many. */
  readonly #items = new TokenBuckets({
    perSecond: limit('gossipItemsPerSecond'),
    burst: limit('gossipItemsBurst'),
    most: limit('gossipSenders'),
  })
  readonly #records = new TokenBuckets({
    perSecond: 1_000 / limit('recordPauseMs'),
    burst: limit('recordBurst'),
    most: limit('gossipSenders'),
  })
  readonly #beats = new TokenBuckets({
    perSecond: 1_000 / limit('beatPauseMs'),
    burst: limit('recordBurst'),
    most: limit('gossipSenders'),
  })

  constructor({ clock, registry, parse = parseBatch }: IntakeDeps, events: IntakeEvents) {
    this.#parse = parse
    this.#clock = clock
    this.#registry = registry
    this.#events = events
  }

  judge({ from, data }: GossipMessage): Verdict {
    const verdict = this.#verdict(from, data)
    if (verdict === 'accept') this.counts.accepted += 1
    else if (verdict === 'ignore') this.counts.ignored += 1
    else this.counts.rejected += 1
    return verdict
  }

  #verdict(from: NodeId, data: Uint8Array): Verdict {
    const at = this.#clock.monotonic()
    if (!this.#messages.take(from, at)) return this.#flood.take(from, at) ? 'ignore' : 'reject'
    const batch = this.#parse(data)
    // A later version of this program may send what this one cannot read.
    if (batch.kind !== 'ok') return batch.kind === 'unsupported_version' ? 'ignore' : 'reject'
    const { records, beats, proofs } = batch.value
    if (!this.#items.take(from, at, records.length + beats.length + 2 * proofs.length)) return 'ignore'
    const arrival: Arrival = { now: this.#clock.now(), at, source: 'author', from, idleMs: 0 }
    let hasNews = false
    for (const outcome of this.#outcomes(batch.value, arrival)) {
      if (outcome.kind === 'refused' && isSendersFault(outcome.refusal)) return 'reject'
      this.#tell(outcome, from)
      hasNews = (isNews(outcome) && this.#mayGoOn(outcome, at)) || hasNews
    }
    return hasNews ? 'accept' : 'ignore'
  }

  *#outcomes({ records, beats, proofs }: GossipBatch, arrival: Arrival): Generator<Outcome> {
    for (const bytes of records) yield this.#registry.receiveRecord(bytes, arrival)
    for (const bytes of proofs) yield this.#registry.receiveProof(bytes, arrival)
    for (const bytes of beats) yield this.#registry.receiveBeat(bytes, arrival)
  }

  #tell(outcome: Outcome, from: NodeId): void {
    if (outcome.kind === 'own') this.#events.own(outcome.position)
    else if (outcome.kind === 'equivocation') this.#events.equivocation(outcome.peer, outcome.proof)
    else if (outcome.kind === 'unknown' || (outcome.kind === 'heard' && outcome.isBehind)) this.#events.behind(from)
  }

  /** News of an author who says too much ends here; others get the newest by comparing. */
  #mayGoOn(outcome: Outcome, at: Arrival['at']): boolean {
    switch (outcome.kind) {
      case 'listed':
      case 'left':
        return this.#records.take(outcome.peer, at)
      case 'heard':
        return this.#beats.take(outcome.peer, at)
      default:
        return true
    }
  }
}
