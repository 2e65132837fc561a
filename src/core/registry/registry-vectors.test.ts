/** The vectors of docs/PROTOCOL.md: other implementations and this one agree on every byte of records, beats, gossip and comparisons. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { scheme, signerNamed } from '../../../test/support/identity.ts'
import { vectorJson } from '../../../test/support/vector-json.ts'
import { checkProof } from './equivocation.ts'
import { encodeBatch, parseBatch } from './gossip-batch.ts'
import { parseLoadBeat, signLoadBeat, verifyBeat } from './load-beat.ts'
import { parseNodeRecord, signNodeRecord, verifyRecord } from './record-codec.ts'
import { encodeAnswer, encodeQuestion, parseAnswer, parseQuestion } from './sync-messages.ts'

interface VectorCase {
  readonly name: string
  /** In hexadecimal. */
  readonly bytes: string
  /** What the bytes say; bytes in it are in hexadecimal too. */
  readonly value?: unknown
  /** The name of the key that signed, see test/vectors/identity/signed-values.json. */
  readonly key?: string
  readonly id?: string
  /** This implementation would not write these bytes. */
  readonly decodeOnly?: boolean
  readonly reader?: string
  readonly refusal?: string
}

const folder = join(import.meta.dirname, '../../../test/vectors/registry')
const files = globSync('*.json', { cwd: folder }).sort()
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

function checkRecord({ name, bytes, value, key = '', id, decodeOnly }: VectorCase): void {
  const parsed = parseNodeRecord(scheme, bytesOf(bytes))
  assert.ok(parsed.kind === 'ok', name)
  const { record } = parsed.value
  assert.deepEqual(vectorJson(record), value, name)
  assert.equal(parsed.value.id, id, name)
  assert.ok(verifyRecord(scheme, parsed.value), name)
  if (decodeOnly !== true)
    assert.equal(hexOf(signNodeRecord({ scheme, key: signerNamed(key) }, record, record).bytes), bytes, name)
}

function checkBeat({ name, bytes, value, key = '' }: VectorCase): void {
  const parsed = parseLoadBeat(bytesOf(bytes))
  assert.ok(parsed.kind === 'ok', name)
  assert.deepEqual(vectorJson(parsed.value.beat), value, name)
  assert.ok(verifyBeat(scheme, parsed.value), name)
  assert.equal(hexOf(signLoadBeat(signerNamed(key), parsed.value.beat).bytes), bytes, name)
}

type Parsed<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: string }

function check<T>(parse: (bytes: Uint8Array) => Parsed<T>, encode: (value: T) => Uint8Array) {
  return ({ name, bytes, value }: VectorCase): void => {
    const parsed = parse(bytesOf(bytes))
    assert.ok(parsed.kind === 'ok' && 'value' in parsed, name)
    assert.deepEqual(vectorJson(parsed.value), value, name)
    assert.equal(hexOf(encode(parsed.value)), bytes, name)
  }
}

const READERS: Readonly<Record<string, (bytes: Uint8Array) => string>> = {
  record: (bytes) => {
    const parsed = parseNodeRecord(scheme, bytes)
    if (parsed.kind !== 'ok') return parsed.kind
    return verifyRecord(scheme, parsed.value) === undefined ? 'bad_signature' : 'ok'
  },
  beat: (bytes) => parseLoadBeat(bytes).kind,
  batch: (bytes) => parseBatch(bytes).kind,
  question: (bytes) => parseQuestion(bytes).kind,
  answer: (bytes) => parseAnswer(bytes).kind,
  proof: (bytes) => checkProof(scheme, bytes).kind,
}

const CHECKS: Readonly<Record<string, (vector: VectorCase) => void>> = {
  'record.json': checkRecord,
  'beat.json': checkBeat,
  'batch.json': check(parseBatch, encodeBatch),
  'question.json': check(parseQuestion, encodeQuestion),
  'answer.json': check(parseAnswer, encodeAnswer),
  'refused.json': ({ name, bytes, reader = '', refusal }) =>
    assert.equal(READERS[reader]?.(bytesOf(bytes)), refusal, `${reader}: ${name}`),
}

describe('the vectors of the registry', () => {
  it('are there', () => {
    assert.deepEqual(files, Object.keys(CHECKS).sort())
  })

  for (const file of files) {
    const { about, cases } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      about: string
      cases: VectorCase[]
    }
    it(`${file}: ${about}`, () => {
      assert.ok(cases.length >= 3)
      for (const each of cases) CHECKS[file]?.(each)
    })
  }
})
