/** Messages about statements survive the way through bytes, and hostile bytes are refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { accountNamed, accountRotationOf, revocationOf, scheme } from '../../../test/support/identity.ts'
import { limit } from '../limits.ts'
import { AccountBook } from './account-book.ts'
import { hexOf } from './bytes.ts'
import { encodeCanonical } from './canonical.ts'
import {
  encodeStatementBatch,
  encodeStatementsAnswer,
  encodeStatementsQuestion,
  parseStatementBatch,
  parseStatementsAnswer,
  parseStatementsQuestion,
  type StatementsAnswer,
  type StatementsQuestion,
} from './statement-messages.ts'
import { STATEMENT_BUCKETS, StatementSums, SUM_BYTES, statementBucketOf } from './statement-sums.ts'

const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size })
const account = bytes(32).map((each) => hexOf(each) as ReturnType<typeof accountNamed>)
const statements = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })

/** As plain objects, like those that are read. */
const plain = { noNullPrototype: true } as const
const question: fc.Arbitrary<StatementsQuestion> = fc.oneof(
  fc.record({ kind: fc.constant('compare' as const), sums: bytes(STATEMENT_BUCKETS * SUM_BYTES) }, plain),
  fc.record(
    { kind: fc.constant('exchange' as const), accounts: fc.array(account, { maxLength: 20 }), statements },
    plain,
  ),
)
const answer: fc.Arbitrary<StatementsAnswer> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('compare' as const),
      buckets: fc.array(fc.nat({ max: STATEMENT_BUCKETS - 1 }), { maxLength: 20 }),
      accounts: fc.array(fc.record({ account, sum: bytes(SUM_BYTES).map(hexOf) }, plain), { maxLength: 20 }),
    },
    plain,
  ),
  fc.record({ kind: fc.constant('exchange' as const), statements, covered: fc.nat() }, plain),
  fc.record({ kind: fc.constant('busy' as const) }, plain),
)

describe('messages about statements', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(question, answer, statements, (asked, answered, batch) => {
        assert.deepEqual(parseStatementsQuestion(encodeStatementsQuestion(asked)), { kind: 'ok', value: asked })
        assert.deepEqual(parseStatementsAnswer(encodeStatementsAnswer(answered)), { kind: 'ok', value: answered })
        assert.deepEqual(parseStatementBatch(encodeStatementBatch(batch)), { kind: 'ok', value: batch })
      }),
    )
  })

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        for (const parse of [parseStatementsQuestion, parseStatementsAnswer, parseStatementBatch]) {
          assert.equal(typeof parse(garbage).kind, 'string')
        }
      }),
    )
  })

  it('are refused where they are cut, too long, of another version or of the other direction', () => {
    const asked = encodeStatementsQuestion({ kind: 'exchange', accounts: [accountNamed('ada')], statements: [] })
    assert.equal(parseStatementsQuestion(asked.slice(0, -1)).kind, 'malformed')
    assert.equal(parseStatementsQuestion(encodeStatementsAnswer({ kind: 'busy' })).kind, 'malformed')
    const later = encodeCanonical(new Map([[0, 2]]))
    assert.equal(parseStatementsAnswer(later).kind, 'unsupported_version')
    assert.equal(parseStatementBatch(later).kind, 'unsupported_version')
    const long = [new Uint8Array(limit('gossipMessageBytes'))]
    assert.equal(parseStatementBatch(encodeStatementBatch(long)).kind, 'malformed')
    const halfAccount = encodeCanonical(
      new Map<number, number | Uint8Array | []>([
        [0, 1],
        [1, 1],
        [2, new Uint8Array(31)],
        [3, []],
      ]),
    )
    assert.equal(parseStatementsQuestion(halfAccount).kind, 'malformed')
    const beyond = encodeStatementsAnswer({ kind: 'compare', buckets: [STATEMENT_BUCKETS], accounts: [] })
    assert.equal(parseStatementsAnswer(beyond).kind, 'malformed')
  })
})

describe('sums of statements', () => {
  const names = ['ada', 'bob', 'cyd', 'dee']

  it('are equal for books that hold the same, in whatever order they heard it', () => {
    const [one, two] = [new AccountBook(scheme), new AccountBook(scheme)]
    const said = names.map((name) => revocationOf(name, 'laptop'))
    one.addAll(said)
    two.addAll(said.toReversed())
    assert.deepEqual(new StatementSums(one).differing(new StatementSums(two).buckets()), [])
    assert.deepEqual(new StatementSums(one).buckets(), new StatementSums(two).buckets())
  })

  it('differ in the buckets of the accounts that differ', () => {
    const [one, two] = [new AccountBook(scheme), new AccountBook(scheme)]
    one.addAll(names.map((name) => revocationOf(name, 'laptop')))
    two.addAll(names.slice(1).map((name) => revocationOf(name, 'laptop')))
    two.add(accountRotationOf('cyd', 1, 'cyd', 'cyd 2'))
    const [ofOne, ofTwo] = [new StatementSums(one), new StatementSums(two)]
    const expected = ['ada', 'cyd'].map((name) => statementBucketOf(accountNamed(name))).sort((a, b) => a - b)
    assert.deepEqual(ofOne.differing(ofTwo.buckets()), expected)
    assert.deepEqual(ofTwo.differing(ofOne.buckets()), expected)
    assert.equal(ofTwo.of(accountNamed('ada')), undefined)
    assert.equal(ofOne.of(accountNamed('bob')), ofTwo.of(accountNamed('bob')))
    assert.ok(ofOne.accountsIn(statementBucketOf(accountNamed('ada'))).includes(accountNamed('ada')))
  })
})
