/** Compares the registry with that of one peer and exchanges what differs: a digest first, then only what is missing. */
import { HeddleError } from '../core/errors.ts'
import { concatBytes } from '../core/identity/bytes.ts'
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import { publicKeyOf } from '../core/identity/peer-id.ts'
import type { NetworkId, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { BUCKETS_PER_GROUP, bucketOf, differingSums, GROUPS } from '../core/registry/digest.ts'
import type { Outcome } from '../core/registry/outcome.ts'
import { havesIn, itemOf } from '../core/registry/reconcile.ts'
import type { Registry } from '../core/registry/registry.ts'
import {
  encodeQuestion,
  type Have,
  type Hello,
  itemBytes,
  parseAnswer,
  SYNC_PROTOCOL,
  SYNC_VERSION,
  type SyncAnswer,
  type SyncItem,
  type SyncQuestion,
} from '../core/registry/sync-messages.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerExchange } from '../ports/gossip.ts'
import type { IdSource } from '../ports/id-source.ts'
import { receiveItems } from './sync-answers.ts'

/** Buckets and haves of one question; a have takes under 64 bytes. */
const HAVES_PER_QUESTION = 1_000
const BUCKETS_PER_QUESTION = 4_096
const OTHER_BYTES = 1_024

export interface SyncDeps {
  readonly clock: Clock
  readonly chance: Pick<IdSource, 'fraction'>
  readonly network: NetworkId
  readonly registry: Registry
  readonly exchange: PeerExchange
  readonly onOutcome: (outcome: Outcome, from: NodeId) => void
  readonly onHello: (from: NodeId, hello: Hello) => void
  /** Why nothing is exchanged with a peer after its hello, for people. */
  readonly objectionToPeer: (peer: NodeId) => string | undefined
  /** Whether nothing is told to a peer that is not listed. */
  readonly membersOnly: boolean
}

export interface SyncResult {
  readonly received: number
  readonly sent: number
  readonly rounds: number
}

/** @throws HeddleError `peer_unreachable`, or `conflict` where the peer is of another network or protocol version */
export async function syncWith(
  deps: SyncDeps,
  peer: NodeId,
  { signal }: { readonly signal: AbortSignal },
): Promise<SyncResult> {
  const differing = await differingBuckets(deps, peer, { signal })
  // From another place each time, so that what is refused in some buckets does not keep the others waiting for ever.
  const first = Math.floor(deps.chance.fraction() * differing.length)
  const buckets = [...differing.slice(first), ...differing.slice(0, first)]
  let [received, sent, rounds] = [0, 0, 0]
  for (let left = buckets; left.length > 0 && rounds < limit('syncRounds'); rounds += 1) {
    const { asked, haves } = nextQuestion(deps.registry, left)
    const answer = await ask(deps, peer, { kind: 'pull', buckets: asked, haves }, 'pull', { signal })
    const taken = await receiveItems(deps, peer, answer.items, { signal })
    received += taken
    sent += await push(deps, peer, answer.wants, { signal })
    const covered = Math.min(answer.covered, asked.length)
    left = left.slice(covered)
    // We refuse all that is offered, as a full table does: the next comparison tries elsewhere.
    if (answer.items.length > 0 && taken === 0) break
    if (covered === 0 && taken === 0) break
  }
  return { received, sent, rounds }
}

async function differingBuckets(
  deps: SyncDeps,
  peer: NodeId,
  options: { readonly signal: AbortSignal },
): Promise<readonly number[]> {
  const { clock, network, registry } = deps
  const { digest } = registry.table
  const question: Hello = { kind: 'hello', version: SYNC_VERSION, network, now: clock.now(), sums: digest.root() }
  const hello = await ask(deps, peer, question, 'hello', options)
  deps.onHello(peer, hello)
  const objection = deps.objectionToPeer(peer)
  if (objection !== undefined) throw new HeddleError('conflict', objection)
  if (hello.sums.length === 0) return []
  if (deps.membersOnly) await introduce(deps, peer, options)
  const groups = differingSums(digest.groups(), hello.sums).filter((group) => group < GROUPS)
  if (groups.length === 0) return []
  const { sums } = await ask(deps, peer, { kind: 'buckets', groups }, 'buckets', options)
  const ours = concatBytes(...groups.map((group) => digest.group(group)))
  return differingSums(ours, sums)
    .filter((index) => index < groups.length * BUCKETS_PER_GROUP)
    .map(
      (index) => (groups[Math.floor(index / BUCKETS_PER_GROUP)] ?? 0) * BUCKETS_PER_GROUP + (index % BUCKETS_PER_GROUP),
    )
}

/**
 * Shows our own record, so that the peer sees a member in us, and asks for its own where it is not listed yet. Of all others nothing is told before.
 * @throws HeddleError `conflict` where the peer shows no record that is taken
 */
async function introduce(deps: SyncDeps, peer: NodeId, options: { readonly signal: AbortSignal }): Promise<void> {
  const { clock, registry } = deps
  const own = itemOf(registry.table, registry.self, clock.monotonic())
  if (own !== undefined) await ask(deps, peer, { kind: 'push', items: [own] }, 'push', options)
  if (registry.table.get(peer) !== undefined) return
  const question: SyncQuestion = { kind: 'pull', buckets: [bucketOf(publicKeyOf(peer))], haves: [] }
  const { items } = await ask(deps, peer, question, 'pull', options)
  await receiveItems(deps, peer, items, options)
  if (registry.table.get(peer) !== undefined) return
  throw new HeddleError('conflict', `${peer} shows no record that counts in this network`)
}

/** As many of the buckets as one question may hold, at least one, with what we hold in them. */
function nextQuestion(registry: Registry, buckets: readonly number[]) {
  const asked: number[] = []
  const haves: Have[] = []
  for (const bucket of buckets.slice(0, BUCKETS_PER_QUESTION)) {
    const more = havesIn(registry.table, bucket)
    if (asked.length > 0 && haves.length + more.length > HAVES_PER_QUESTION) break
    asked.push(bucket)
    haves.push(...more.slice(0, HAVES_PER_QUESTION - haves.length))
  }
  return { asked, haves }
}

/** Sends what the peer lacks. */
async function push(
  deps: SyncDeps,
  peer: NodeId,
  wants: readonly PublicKey[],
  options: { readonly signal: AbortSignal },
): Promise<number> {
  const { clock, registry } = deps
  let sent = 0
  let items: SyncItem[] = []
  let bytes = 0
  const send = async (): Promise<void> => {
    if (items.length > 0) await ask(deps, peer, { kind: 'push', items }, 'push', options)
    sent += items.length
    items = []
    bytes = 0
  }
  for (const key of wants) {
    const item = itemOf(registry.table, registry.table.peerOf(key), clock.monotonic())
    if (item === undefined) continue
    if (bytes + itemBytes(item) > limit('syncMessageBytes') - OTHER_BYTES) await send()
    items.push(item)
    bytes += itemBytes(item)
  }
  await send()
  return sent
}

async function ask<Kind extends SyncAnswer['kind']>(
  { clock, exchange }: SyncDeps,
  peer: NodeId,
  question: SyncQuestion,
  kind: Kind,
  { signal }: { readonly signal: AbortSignal },
): Promise<Extract<SyncAnswer, { readonly kind: Kind }>> {
  const late = new AbortController()
  using _ = clock.after(limit('syncTimeoutMs'), () =>
    late.abort(new HeddleError('timeout', `${peer} did not answer in time`)),
  )
  const bytes = await exchange.ask(peer, SYNC_PROTOCOL, encodeQuestion(question), {
    signal: AbortSignal.any([signal, late.signal]),
  })
  const answer = parseAnswer(bytes)
  if (answer.kind !== 'ok')
    throw new HeddleError('peer_unreachable', `${peer} answered a sync with what is no answer: ${answer.kind}`)
  if (answer.value.kind === kind) return answer.value as Extract<SyncAnswer, { readonly kind: Kind }>
  throw new HeddleError(
    'peer_unreachable',
    answer.value.kind === 'busy' ? `${peer} is busy` : `${peer} answered another question`,
  )
}
