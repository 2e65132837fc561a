/** Answers the questions of other nodes' syncs. Keeps nothing between two questions but how often each peer asks. */
import { HeddleError } from '../core/errors.ts'
import { concatBytes } from '../core/identity/bytes.ts'
import type { NetworkId, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { differingSums } from '../core/registry/digest.ts'
import { type Arrival, isNews, type Outcome } from '../core/registry/outcome.ts'
import { differenceIn } from '../core/registry/reconcile.ts'
import { isSendersFault } from '../core/registry/record-refusal.ts'
import type { Registry } from '../core/registry/registry.ts'
import {
  encodeAnswer,
  type Hello,
  parseQuestion,
  SYNC_VERSION,
  type SyncAnswer,
  type SyncItem,
  type SyncQuestion,
} from '../core/registry/sync-messages.ts'
import type { Clock } from '../ports/clock.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Keys of nodes that one answer asks for, at under 40 bytes each. */
const MOST_WANTS = 1_000
const BYTES_PER_WANT = 40
const OTHER_BYTES = 1_024

export interface SyncAnswersDeps {
  readonly clock: Clock
  readonly network: NetworkId
  readonly registry: Registry
  /** Called with what each received item came to. */
  readonly onOutcome: (outcome: Outcome, from: NodeId) => void
  /** Called when a peer said hello. */
  readonly onHello: (from: NodeId, hello: Hello) => void
  /** Why nothing but hellos is exchanged with a peer, for people. */
  readonly objectionToPeer: (peer: NodeId) => string | undefined
  /** Whether nothing is told to a peer that is not listed. */
  readonly membersOnly: boolean
}

export class SyncAnswers {
  readonly #deps: SyncAnswersDeps
  readonly #questions = new TokenBuckets({
    perSecond: limit('syncPerSecond'),
    burst: limit('syncBurst'),
    most: limit('gossipSenders'),
  })
  readonly #items = new TokenBuckets({
    perSecond: limit('syncItemsPerSecond'),
    burst: limit('syncItemsBurst'),
    most: limit('gossipSenders'),
  })

  constructor(deps: SyncAnswersDeps) {
    this.#deps = deps
  }

  /** @throws HeddleError `invalid_request` where the question cannot be read */
  async answer(from: NodeId, bytes: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    if (!this.#questions.take(from, this.#deps.clock.monotonic())) return encodeAnswer({ kind: 'busy' })
    const question = parseQuestion(bytes)
    if (question.kind !== 'ok') throw new HeddleError('invalid_request', `not a sync question: ${question.kind}`)
    const objection = this.#objectionTo(from, question.value)
    if (objection !== undefined) throw new HeddleError('conflict', objection)
    return encodeAnswer(await this.#answerOf(from, question.value, options))
  }

  #objectionTo(from: NodeId, { kind }: SyncQuestion): string | undefined {
    const { membersOnly, objectionToPeer, registry } = this.#deps
    if (kind === 'hello') return undefined
    const objection = objectionToPeer(from)
    // A member has to show its record first; what it pushes is judged by itself.
    const isStranger = membersOnly && kind !== 'push' && registry.table.get(from) === undefined
    return objection ?? (isStranger ? `${from} has shown no record that counts in this network` : undefined)
  }

  async #answerOf(
    from: NodeId,
    question: SyncQuestion,
    options: { readonly signal: AbortSignal },
  ): Promise<SyncAnswer> {
    const { clock, network, registry } = this.#deps
    const { digest } = registry.table
    switch (question.kind) {
      case 'hello': {
        this.#deps.onHello(from, question)
        const isEqual = question.network !== network || differingSums(question.sums, digest.root()).length === 0
        const sums = isEqual ? new Uint8Array() : digest.groups()
        return { kind: 'hello', version: SYNC_VERSION, network, now: clock.now(), sums }
      }
      case 'buckets':
        return { kind: 'buckets', sums: concatBytes(...question.groups.map((group) => digest.group(group))) }
      case 'pull': {
        const mostBytes = limit('syncMessageBytes') - MOST_WANTS * BYTES_PER_WANT - OTHER_BYTES
        const difference = differenceIn(registry.table, question.buckets, question.haves, {
          at: clock.monotonic(),
          mostBytes,
        })
        return { kind: 'pull', ...difference, wants: difference.wants.slice(0, MOST_WANTS) }
      }
      case 'push':
        if (!this.#items.take(from, clock.monotonic(), question.items.length)) return { kind: 'busy' }
        return { kind: 'push', taken: await receiveItems(this.#deps, from, question.items, options) }
      default:
        return question satisfies never
    }
  }
}

/**
 * Takes what a peer held into the registry, some at a time, so that requests of clients are answered between; how many were news.
 * @throws HeddleError `invalid_request` at the first one that breaks the rules
 */
export async function receiveItems(
  { clock, registry, onOutcome }: Pick<SyncAnswersDeps, 'clock' | 'registry' | 'onOutcome'>,
  from: NodeId,
  items: readonly SyncItem[],
  { signal }: { readonly signal: AbortSignal },
): Promise<number> {
  const [now, at] = [clock.now(), clock.monotonic()]
  let taken = 0
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % limit('syncItemsAtOnce') === 0) await clock.sleep(0, { signal })
    const arrival = { now, at, source: 'peer' as const, from, idleMs: item.kind === 'record' ? item.idleMs : 0 }
    const outcomes = outcomesOf(registry, item, arrival)
    for (const outcome of outcomes) {
      if (outcome.kind === 'refused' && isSendersFault(outcome.refusal)) {
        // Whoever holds a record has checked it, so the rest of what this peer has is not worth reading.
        throw new HeddleError('invalid_request', `${from} gave what is no record or is not signed by its author`)
      }
      onOutcome(outcome, from)
    }
    if (outcomes.some(isNews)) taken += 1
  }
  return taken
}

function outcomesOf(registry: Registry, item: SyncItem, arrival: Arrival): readonly Outcome[] {
  if (item.kind === 'proof') return [registry.receiveProof(item.proof, arrival)]
  const outcome = registry.receiveRecord(item.record, arrival)
  return item.beat === undefined ? [outcome] : [outcome, registry.receiveBeat(item.beat, arrival)]
}
