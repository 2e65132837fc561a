/** Compares what accounts have said with one peer, and exchanges what differs; both sides of it. */
import { HeddleError } from '../core/errors.ts'
import type { AccountBook } from '../core/identity/account-book.ts'
import { ID_BYTES } from '../core/identity/account-id.ts'
import { refusalText } from '../core/identity/refusal.ts'
import {
  type AccountSum,
  encodeStatementsQuestion,
  parseStatementsAnswer,
  STATEMENTS_PROTOCOL,
  type StatementsAnswer,
  type StatementsQuestion,
} from '../core/identity/statement-messages.ts'
import { STATEMENT_BUCKETS, StatementSums } from '../core/identity/statement-sums.ts'
import type { AccountId, NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerExchange } from '../ports/gossip.ts'

export interface StatementExchangeDeps {
  readonly clock: Clock
  readonly book: AccountBook
  readonly exchange: PeerExchange
  /** Takes what a peer has told into the book; how many were new. */
  readonly take: (statements: readonly Uint8Array[]) => number
}

export interface StatementExchangeResult {
  readonly received: number
  readonly sent: number
}

const ENTRY_BYTES = ID_BYTES + 8
/** Room for what is not a statement or an entry. */
const OTHER_BYTES = 4_096
/** Of a statement in a list. */
const OVERHEAD_BYTES = 4
const ENTRIES = Math.floor((limit('syncMessageBytes') - OTHER_BYTES) / ENTRY_BYTES)
/** Leaves most of a question for statements. */
const ACCOUNTS_PER_QUESTION = 500
const STATEMENTS_BYTES = limit('syncMessageBytes') - OTHER_BYTES - ACCOUNTS_PER_QUESTION * ID_BYTES

/** @throws HeddleError `peer_unreachable` */
export async function exchangeStatements(
  deps: StatementExchangeDeps,
  peer: NodeId,
  options: { readonly signal: AbortSignal },
): Promise<StatementExchangeResult> {
  const { book } = deps
  let [received, sent, rounds] = [0, 0, 0]
  const sums = new StatementSums(book)
  const theirs = await ask(deps, peer, { kind: 'compare', sums: sums.buckets() }, 'compare', options)
  let { accounts, offers } = differences(sums, theirs)
  while ((accounts.length > 0 || offers.length > 0) && rounds < limit('statementRounds')) {
    rounds += 1
    const asked = accounts.slice(0, ACCOUNTS_PER_QUESTION)
    const packed = pack(book, offers)
    const question: StatementsQuestion = { kind: 'exchange', accounts: asked, statements: packed.statements }
    const answer = await ask(deps, peer, question, 'exchange', options)
    const covered = Math.min(answer.covered, asked.length)
    received += deps.take(answer.statements)
    sent += packed.statements.length
    accounts = accounts.slice(covered)
    offers = offers.slice(packed.covered)
    // Nothing more is to be had for what the peer cannot answer.
    if (covered === 0 && packed.covered === 0) break
  }
  return { received, sent }
}

/** What to answer a peer's question. `chance` chooses where to begin in a bucket that no answer holds whole. */
export function answerStatements(
  { book, take }: Pick<StatementExchangeDeps, 'book' | 'take'>,
  question: StatementsQuestion,
  { chance }: { readonly chance: () => number },
): StatementsAnswer {
  switch (question.kind) {
    case 'compare':
      return compared(new StatementSums(book), question.sums, chance)
    case 'exchange': {
      take(question.statements)
      return { kind: 'exchange', ...pack(book, question.accounts) }
    }
    default:
      return question satisfies never
  }
}

function compared(sums: StatementSums, others: Uint8Array, chance: () => number): StatementsAnswer {
  const buckets: number[] = []
  const accounts: AccountSum[] = []
  for (const bucket of sums.differing(others)) {
    const held = sums.accountsIn(bucket).map((account) => ({ account, sum: sums.of(account) ?? '' }))
    if (accounts.length + held.length <= ENTRIES) {
      buckets.push(bucket)
      accounts.push(...held)
      continue
    }
    const first = Math.floor(chance() * held.length)
    accounts.push(...[...held.slice(first), ...held.slice(0, first)].slice(0, ENTRIES - accounts.length))
    break
  }
  return { kind: 'compare', buckets, accounts }
}

/** The accounts to ask for, and those that the peer knows otherwise or not at all. */
function differences(
  sums: StatementSums,
  { buckets, accounts }: Extract<StatementsAnswer, { readonly kind: 'compare' }>,
): { readonly accounts: readonly AccountId[]; readonly offers: readonly AccountId[] } {
  const theirs = new Map(accounts.map(({ account, sum }) => [account, sum]))
  const differing = accounts.filter(({ account, sum }) => sums.of(account) !== sum).map(({ account }) => account)
  const known = differing.filter((account) => sums.of(account) !== undefined)
  const unknownToThem = [...new Set(buckets)]
    .filter((bucket) => bucket < STATEMENT_BUCKETS)
    .flatMap((bucket) => sums.accountsIn(bucket))
    .filter((account) => !theirs.has(account))
  return { accounts: [...new Set(differing)], offers: [...known, ...unknownToThem] }
}

/** The statements of as many of the accounts as one message holds. */
function pack(
  book: AccountBook,
  accounts: readonly AccountId[],
): { readonly statements: readonly Uint8Array[]; readonly covered: number } {
  const statements: Uint8Array[] = []
  let bytes = 0
  let covered = 0
  for (const account of accounts) {
    const said = book.statementsOf(account)
    const more = said.reduce((sum, each) => sum + each.length + OVERHEAD_BYTES, 0)
    if (bytes + more > STATEMENTS_BYTES && bytes > 0) break
    for (const each of said) {
      bytes += each.length + OVERHEAD_BYTES
      // Of an account that no message holds whole, the first ones go; gossip has brought the others.
      if (bytes <= STATEMENTS_BYTES) statements.push(each)
    }
    covered += 1
  }
  return { statements, covered }
}

async function ask<Kind extends StatementsAnswer['kind']>(
  { clock, exchange }: StatementExchangeDeps,
  peer: NodeId,
  question: StatementsQuestion,
  kind: Kind,
  { signal }: { readonly signal: AbortSignal },
): Promise<Extract<StatementsAnswer, { readonly kind: Kind }>> {
  const late = new AbortController()
  using _ = clock.after(limit('syncTimeoutMs'), () =>
    late.abort(new HeddleError('timeout', `${peer} did not answer in time`)),
  )
  const bytes = await exchange.ask(peer, STATEMENTS_PROTOCOL, encodeStatementsQuestion(question), {
    signal: AbortSignal.any([signal, late.signal]),
  })
  const answer = parseStatementsAnswer(bytes)
  if (answer.kind !== 'ok') {
    throw new HeddleError('peer_unreachable', `${peer} answered what cannot be read: ${refusalText(answer)}`)
  }
  if (answer.value.kind === kind) return answer.value as Extract<StatementsAnswer, { readonly kind: Kind }>
  const isBusy = answer.value.kind === 'busy'
  throw new HeddleError('peer_unreachable', isBusy ? `${peer} is busy` : `${peer} answered another question`)
}
