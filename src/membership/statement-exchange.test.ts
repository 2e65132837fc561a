/** Two books become equal in a few questions, however much they differ. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { deviceNamed, NOW, scheme } from '../../test/support/identity.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import { accountIdOf } from '../core/identity/account-id.ts'
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import { issueRevocation } from '../core/identity/revocation.ts'
import { encodeStatementsAnswer, parseStatementsQuestion } from '../core/identity/statement-messages.ts'
import { StatementSums } from '../core/identity/statement-sums.ts'
import { limit } from '../core/limits.ts'
import type { PeerExchange } from '../ports/gossip.ts'
import { answerStatements, exchangeStatements } from './statement-exchange.ts'

/** Believes every signature: what is tested here is who is told what. */
const believing = { verify: () => true, sha256: (bytes: Uint8Array) => scheme.sha256(bytes) }
const { signal } = new AbortController()
const device = deviceNamed('laptop')

/** What the account of that number says of its devices; keys are points of the curve only by chance, which nobody asks here. */
function said(number: number, { serial = 1, devices = [device] } = {}): readonly Uint8Array[] {
  const publicKey = Uint8Array.from(hash('sha256', `account ${number}`, 'buffer')) as PublicKey
  const key = { publicKey, sign: () => new Uint8Array(64).fill(1) }
  const account = accountIdOf(scheme, publicKey)
  return devices.map((each) =>
    issueRevocation(key, {
      account,
      device: each,
      throughSerial: serial,
      revokedAt: NOW,
      reasonCode: 0,
      extensions: new Map(),
    }),
  )
}

function pair(...statements: readonly (readonly Uint8Array[])[]) {
  const books = statements.map((each) => {
    const book = new AccountBook(believing)
    book.addAll(each)
    return book
  })
  const [one, two] = [books[0] ?? assert.fail(), books[1] ?? assert.fail()]
  const counts = { questions: 0, longest: 0 }
  const exchange: Pick<PeerExchange, 'ask'> = {
    async ask(_peer, _protocol, bytes) {
      const question = parseStatementsQuestion(bytes)
      if (question.kind !== 'ok') return assert.fail(question.kind)
      const take = (each: readonly Uint8Array[]): number => two.addAll(each).length
      const answer = encodeStatementsAnswer(
        answerStatements({ book: two, take }, question.value, { chance: () => 0.5 }),
      )
      counts.questions += 1
      counts.longest = Math.max(counts.longest, bytes.length, answer.length)
      assert.ok(counts.longest <= limit('syncMessageBytes'), `${counts.longest} bytes`)
      return answer
    },
  }
  const run = () =>
    exchangeStatements(
      {
        clock: new MemoryClock(),
        book: one,
        exchange: { ...exchange, answer: () => assert.fail() },
        take: (each) => one.addAll(each).length,
      },
      device,
      { signal },
    )
  const differing = (): number => new StatementSums(one).differing(new StatementSums(two).buckets()).length
  return { one, two, run, counts, differing }
}

const range = (from: number, to: number): readonly Uint8Array[] =>
  Array.from({ length: to - from }, (_, index) => said(from + index)).flat()

describe('exchangeStatements', () => {
  it('asks once where nothing differs', async () => {
    const { run, counts } = pair(range(0, 20), range(0, 20))
    assert.deepEqual(await run(), { received: 0, sent: 0 })
    assert.equal(counts.questions, 1)
  })

  it('brings each side what only the other had, and the stronger of two', async () => {
    const older = said(7)
    const newer = said(7, { serial: 9 })
    const { one, two, run, counts, differing } = pair([...range(0, 5), ...newer], [...range(3, 6), ...older])
    const result = await run()
    assert.equal(differing(), 0)
    assert.deepEqual(result, { received: 1, sent: 4 })
    assert.equal(one.size, 7)
    assert.equal(two.size, 7)
    assert.equal(counts.questions, 2)
  })

  it('carries a whole book in messages of the size that is allowed', async () => {
    const { run, counts, differing } = pair(range(0, 1_500), range(1_500, 3_000))
    for (let round = 0; round < 3 && differing() > 0; round += 1) await run()
    assert.equal(differing(), 0)
    assert.ok(counts.questions < 20, `${counts.questions} questions`)
  })

  it('is not held up by an account that no message holds whole', async () => {
    const devices = Array.from({ length: limit('revocationsPerAccount') }, (_, index) => deviceNamed(`phone ${index}`))
    const wordy = [1, 2, 3].flatMap((number) => said(number, { devices }))
    const { run, differing } = pair([], [...wordy, ...range(10, 60)])
    for (let round = 0; round < 3 && differing() > 0; round += 1) await run()
    assert.equal(differing(), 0)
  })
})
