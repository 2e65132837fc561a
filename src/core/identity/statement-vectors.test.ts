/** The vectors of docs/PROTOCOL.md: other implementations and this one agree on every byte of messages about statements. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { accountNamed, accountRotationOf, revocationOf, scheme } from '../../../test/support/identity.ts'
import { vectorJson } from '../../../test/support/vector-json.ts'
import { AccountBook } from './account-book.ts'
import type { Checked } from './refusal.ts'
import {
  encodeStatementBatch,
  encodeStatementsAnswer,
  encodeStatementsQuestion,
  parseStatementBatch,
  parseStatementsAnswer,
  parseStatementsQuestion,
} from './statement-messages.ts'

interface VectorFile {
  readonly cases: readonly { readonly name: string; readonly bytes: string; readonly value: unknown }[]
}

const folder = join(import.meta.dirname, '../../../test/vectors/statements')
const casesOf = (file: string): VectorFile['cases'] =>
  (JSON.parse(readFileSync(join(folder, file), 'utf8')) as VectorFile).cases
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

function check<T>(file: string, parse: (bytes: Uint8Array) => Checked<T>, encode: (value: T) => Uint8Array): void {
  const cases = casesOf(file)
  assert.ok(cases.length > 0)
  for (const { name, bytes, value } of cases) {
    const parsed = parse(bytesOf(bytes))
    assert.ok(parsed.kind === 'ok', name)
    assert.deepEqual(vectorJson(parsed.value), value, name)
    assert.equal(Buffer.from(encode(parsed.value)).toString('hex'), bytes, name)
  }
}

describe('the vectors of statements', () => {
  it('agree with the codec', () => {
    check('batch.json', parseStatementBatch, encodeStatementBatch)
    check('question.json', parseStatementsQuestion, encodeStatementsQuestion)
    check('answer.json', parseStatementsAnswer, encodeStatementsAnswer)
  })

  it('hold statements that count', () => {
    const parsed = parseStatementBatch(bytesOf(casesOf('batch.json')[0]?.bytes ?? ''))
    assert.ok(parsed.kind === 'ok')
    const book = new AccountBook(scheme)
    assert.equal(book.addAll(parsed.value).length, 2)
    assert.equal(book.rotationsOf(accountNamed('ann')), 1)
    assert.deepEqual(parsed.value, [revocationOf('ann', 'laptop'), accountRotationOf('ann', 1, 'ann', 'ann 2')])
  })
})
