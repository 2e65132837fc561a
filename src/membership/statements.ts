/** Spreads what accounts say of their keys and devices (revocations, rotations): heard by gossip, compared at connect, kept on disk. */
import { HeddleError } from '../core/errors.ts'
import type { AccountBook } from '../core/identity/account-book.ts'
import { type IdentityRefusal, refusalText } from '../core/identity/refusal.ts'
import {
  encodeStatementBatch,
  encodeStatementsAnswer,
  parseStatementBatch,
  parseStatementsQuestion,
  STATEMENTS_PROTOCOL,
  statementsTopic,
} from '../core/identity/statement-messages.ts'
import type { AccountId, NetworkId, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Connections, GossipMessage, PeerExchange, PubSub, Verdict } from '../ports/gossip.ts'
import type { IdSource } from '../ports/id-source.ts'
import type { Logger } from '../ports/logger.ts'
import type { StatementStore } from '../ports/statement-store.ts'
import { jittered } from './deps.ts'
import { answerStatements, exchangeStatements, type StatementExchangeDeps } from './statement-exchange.ts'
import { StatementKeeper } from './statement-keeper.ts'
import { TokenBuckets } from './token-buckets.ts'

export interface StatementsDeps {
  readonly clock: Clock
  readonly chance: Pick<IdSource, 'fraction'>
  readonly log: Logger
  readonly gossip: PubSub & PeerExchange & Connections
  readonly network: NetworkId
  readonly book: AccountBook
  readonly store: StatementStore
  /** Whether a peer is told anything: on a private network the members. */
  readonly mayHear: (peer: NodeId) => boolean
  /** Accounts with listed devices, and our own: for them there is always room. */
  readonly neededAccounts: () => ReadonlySet<AccountId>
  /** Something new is in the book: heard of, and on its way to the disk, or said here. */
  readonly onAdded: (added: readonly HeardStatement[]) => void
}

export interface HeardStatement {
  readonly account: AccountId
  readonly bytes: Uint8Array
}

type Taken = 'added' | 'known' | IdentityRefusal

/** What is heard from one peer in an exchange is passed on by gossip where it is this little: news, not a whole history. */
const NEWS = 16
/** A peer that is compared with at connect is asked this much later at most, so that not all ask at once. */
const AFTER_CONNECT_MS = 300
/** A peer that is a stranger still, or does not answer, is asked again this soon and this often. */
const RETRY_MS = 3_000
const RETRIES = 3
const OTHER_BYTES = 256

export class Statements implements AsyncDisposable {
  readonly #deps: StatementsDeps
  readonly #exchange: StatementExchangeDeps
  readonly #stopped = new AbortController()
  readonly #endings: (() => void)[] = []
  readonly #questions = new TokenBuckets({
    perSecond: limit('syncPerSecond'),
    burst: limit('syncBurst'),
    most: limit('gossipSenders'),
  })
  readonly #checks = new TokenBuckets({
    perSecond: limit('statementsPerSecond'),
    burst: limit('statementsBurst'),
    most: limit('gossipSenders'),
  })
  readonly #running = new Set<NodeId>()
  readonly #keeper: StatementKeeper
  #news: Uint8Array[] = []
  #gathering: Timer | undefined
  #next: Timer | undefined

  constructor(deps: StatementsDeps) {
    const { clock, book, gossip } = deps
    this.#deps = deps
    this.#exchange = { clock, book, exchange: gossip, take: (statements) => this.#takeAll(statements) }
    this.#keeper = new StatementKeeper(deps)
  }

  /** Reads what was heard in earlier runs and begins to take part. @throws HeddleError `state_corrupt` */
  async start(): Promise<void> {
    const { gossip, network } = this.#deps
    await this.#keeper.load()
    this.#endings.push(
      gossip.subscribe(statementsTopic(network), (message) => this.#judge(message)),
      gossip.answer(STATEMENTS_PROTOCOL, async (from, question) => this.#answer(from, question)),
      gossip.onChange(({ peer, isConnected }) => {
        if (isConnected) this.#soon(peer)
      }),
    )
    for (const peer of gossip.peers()) this.#soon(peer)
    this.#scheduleNext()
  }

  /** Tells the network what was said on this node, which has it in its book and its own store already. */
  announce(statements: readonly Uint8Array[]): void {
    const { book, onAdded } = this.#deps
    this.#spread(statements)
    const said = statements.map((bytes) => ({ account: book.accountIn(bytes), bytes }))
    onAdded(said.filter((each): each is HeardStatement => each.account !== undefined))
  }

  /** Compares with a peer now. */
  async compareWith(peer: NodeId, options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#running.has(peer) || this.#running.size >= limit('syncsAtOnce')) return
    this.#running.add(peer)
    try {
      const signal = AbortSignal.any([options.signal, this.#stopped.signal])
      const result = await exchangeStatements(this.#exchange, peer, { signal })
      if (result.received + result.sent > 0) this.#deps.log.debug({ peer, ...result }, 'statements exchanged')
    } finally {
      this.#running.delete(peer)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped.signal.aborted) return
    for (const end of this.#endings) end()
    this.#gathering?.cancel()
    this.#next?.cancel()
    this.#stopped.abort(new HeddleError('draining', 'this node stops'))
    await this.#keeper.write()
  }

  #judge({ from, data }: GossipMessage): Verdict {
    const batch = parseStatementBatch(data)
    // A later version of this program may send what this one cannot read.
    if (batch.kind !== 'ok') return batch.kind === 'unsupported_version' ? 'ignore' : 'reject'
    const added: HeardStatement[] = []
    let verdict: Verdict = 'ignore'
    for (const bytes of batch.value) {
      if (!this.#checks.take(from, this.#deps.clock.monotonic())) break
      const taken = this.#take(bytes, added)
      if (taken === 'added') verdict = 'accept'
      else if (taken !== 'known' && isSendersFault(taken)) verdict = 'reject'
      else if (taken !== 'known' && taken.kind === 'unknown_account_key') this.#soon(from)
      if (verdict === 'reject') break
    }
    this.#heard(added)
    return verdict
  }

  async #answer(from: NodeId, bytes: Uint8Array): Promise<Uint8Array> {
    const { book, chance, clock, mayHear } = this.#deps
    if (!this.#questions.take(from, clock.monotonic())) return encodeStatementsAnswer({ kind: 'busy' })
    if (!mayHear(from)) throw new HeddleError('conflict', `${from} has shown no record that counts in this network`)
    const question = parseStatementsQuestion(bytes)
    if (question.kind !== 'ok') {
      throw new HeddleError('invalid_request', `not a question about statements: ${refusalText(question)}`)
    }
    const take = (statements: readonly Uint8Array[]): number => this.#takeAll(this.#affordable(from, statements))
    const answer = answerStatements({ book, take }, question.value, { chance: () => chance.fraction() })
    return encodeStatementsAnswer(answer)
  }

  /** As many as this peer may have us check now; the others come with a later comparison. */
  #affordable(from: NodeId, statements: readonly Uint8Array[]): readonly Uint8Array[] {
    const at = this.#deps.clock.monotonic()
    const refused = statements.findIndex(() => !this.#checks.take(from, at))
    return refused < 0 ? statements : statements.slice(0, refused)
  }

  /** In any order: those that needed a later one are tried again. */
  #takeAll(statements: readonly Uint8Array[]): number {
    const added: HeardStatement[] = []
    let waiting = statements
    for (let before = -1; waiting.length > 0 && added.length > before; ) {
      before = added.length
      waiting = waiting.filter((bytes) => {
        const taken = this.#take(bytes, added)
        return taken !== 'added' && taken !== 'known' && taken.kind === 'unknown_account_key'
      })
    }
    this.#heard(added)
    if (added.length <= NEWS) this.#spread(added.map(({ bytes }) => bytes))
    return added.length
  }

  #take(bytes: Uint8Array, added: HeardStatement[]): Taken {
    const { book } = this.#deps
    let outcome = book.add(bytes)
    if (outcome.kind === 'full' && outcome.what === 'accounts' && this.#makeRoom(bytes)) outcome = book.add(bytes)
    if (outcome.kind === 'known') return 'known'
    if (outcome.kind !== 'added') return outcome
    added.push({ account: outcome.account, bytes: Uint8Array.from(bytes) })
    return 'added'
  }

  /** Lets go of an account nobody of whom is here, for one whose devices are. */
  #makeRoom(bytes: Uint8Array): boolean {
    const { book, neededAccounts } = this.#deps
    const needed = neededAccounts()
    const account = book.accountIn(bytes)
    if (account === undefined || !needed.has(account)) return false
    for (const each of book.accounts()) {
      if (needed.has(each)) continue
      book.forget(each)
      return true
    }
    return false
  }

  #spread(statements: readonly Uint8Array[]): void {
    this.#news.push(...statements)
    this.#gather()
  }

  #heard(added: readonly HeardStatement[]): void {
    if (added.length === 0) return
    this.#keeper.add(added.map(({ bytes }) => bytes))
    this.#gather()
    this.#deps.onAdded(added)
  }

  #gather(): void {
    if (this.#stopped.signal.aborted) return
    this.#gathering ??= this.#deps.clock.after(limit('statementsGatherMs'), () => {
      this.#gathering = undefined
      void this.#keeper.write()
      void this.#publish()
    })
  }

  async #publish(): Promise<void> {
    const { gossip, network, log } = this.#deps
    const news = this.#news
    this.#news = []
    const { signal } = this.#stopped
    try {
      for (const batch of batchesOf(news)) {
        await gossip.publish(statementsTopic(network), encodeStatementBatch(batch), { signal })
      }
    } catch (error) {
      // Comparing brings it to the others later.
      const code = error instanceof HeddleError ? error.code : 'internal'
      if (!signal.aborted) log.warn({ code }, 'cannot tell the network what an account has said')
    }
  }

  #soon(peer: NodeId): void {
    const { clock, chance } = this.#deps
    clock.after(Math.round(AFTER_CONNECT_MS * chance.fraction()), () => void this.#compare(peer, { retries: RETRIES }))
  }

  async #compare(peer: NodeId, { retries }: { readonly retries: number }): Promise<void> {
    const { clock, gossip, log, mayHear } = this.#deps
    const { signal } = this.#stopped
    if (signal.aborted || !gossip.peers().includes(peer)) return
    const again = (): void => {
      if (retries > 0) clock.after(RETRY_MS, () => void this.#compare(peer, { retries: retries - 1 }))
    }
    if (!mayHear(peer)) return again()
    try {
      await this.compareWith(peer, { signal })
    } catch (error) {
      // The next peer, or this one later, makes up for it.
      const code = error instanceof HeddleError ? error.code : 'internal'
      if (!signal.aborted) log.debug({ peer, code }, 'cannot exchange statements')
      again()
    }
  }

  #scheduleNext(): void {
    const { clock, chance, gossip } = this.#deps
    this.#next = clock.after(jittered(chance, limit('statementsCompareMs')), () => {
      const peers = gossip.peers()
      const peer = peers[Math.floor(chance.fraction() * peers.length)]
      if (peer !== undefined) void this.#compare(peer, { retries: 0 })
      this.#scheduleNext()
    })
  }
}

/** Whether the sender broke the rules, rather than that we lack something. */
function isSendersFault({ kind }: IdentityRefusal): boolean {
  return kind === 'malformed' || kind === 'bad_signature'
}

function* batchesOf(statements: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const each of statements) {
    if (bytes + each.length + OTHER_BYTES > limit('gossipMessageBytes')) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(each)
    bytes += each.length + 4
  }
  if (batch.length > 0) yield batch
}
