/** The messages by which nodes tell each other what accounts have said. All values are untrusted when they are read. PROTOCOL.md has the bytes. */
import type { AccountId, NetworkId } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from './account-id.ts'
import { concatBytes, hexOf, parseHex } from './bytes.ts'
import { type CanonicalValue, decodeCanonical, encodeCanonical } from './canonical.ts'
import { FieldReader, fieldsOf } from './field-reader.ts'
import { type Checked, type Malformed, type Ok, ok } from './refusal.ts'
import { STATEMENT_BUCKETS, SUM_BYTES } from './statement-sums.ts'

export const STATEMENTS_PROTOCOL = '/heddle/statements/1'
const VERSION = 1
const KINDS = ['compare', 'exchange', 'busy'] as const
const ENTRY_BYTES = ID_BYTES + SUM_BYTES

/** The topic on which new statements spread at once. */
export function statementsTopic(network: NetworkId): string {
  return `/heddle/statements/1/${network}`
}

/** What one side holds of an account: the first 8 bytes of the digest of its statements, lower-case hex. */
export interface AccountSum {
  readonly account: AccountId
  readonly sum: string
}

export type StatementsQuestion =
  /** The sums of all buckets. */
  | { readonly kind: 'compare'; readonly sums: Uint8Array }
  /** Asks for what these accounts have said, and tells what they have said as far as the asker knows. */
  | { readonly kind: 'exchange'; readonly accounts: readonly AccountId[]; readonly statements: readonly Uint8Array[] }

export type StatementsAnswer =
  /** All accounts in `buckets`: those that differ, as far as one answer holds them. */
  | { readonly kind: 'compare'; readonly buckets: readonly number[]; readonly accounts: readonly AccountSum[] }
  /** The first `covered` of the accounts are dealt with in full. */
  | { readonly kind: 'exchange'; readonly statements: readonly Uint8Array[]; readonly covered: number }
  | { readonly kind: 'busy' }

/** Keys: 0 version, 1 statements. */
export function encodeStatementBatch(statements: readonly Uint8Array[]): Uint8Array {
  return encodeCanonical(fieldsOf({ 0: VERSION, 1: statements }))
}

export function parseStatementBatch(bytes: Uint8Array): Checked<readonly Uint8Array[]> {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('gossipMessageBytes') })
  if (decoded.kind !== 'ok') return decoded
  const fields = new FieldReader(decoded.value)
  fields.version(VERSION)
  const statements = blobs(fields, 1)
  return fields.finish(() => statements)
}

/** Key 0 is the version, 1 the kind, the others are in the order of the fields. */
export function encodeStatementsQuestion(question: StatementsQuestion): Uint8Array {
  const kind = KINDS.indexOf(question.kind)
  const fields =
    question.kind === 'compare'
      ? { 2: question.sums }
      : { 2: concatBytes(...question.accounts.map(accountBytesOf)), 3: question.statements }
  return encodeCanonical(fieldsOf({ 0: VERSION, 1: kind, ...fields }))
}

export function parseStatementsQuestion(bytes: Uint8Array): Checked<StatementsQuestion> {
  const read = readerOf(bytes)
  if (read.kind !== 'ok') return read
  const { fields, kind } = read.value
  switch (kind) {
    case 'compare': {
      const sums = fields.bytes(2, STATEMENT_BUCKETS * SUM_BYTES)
      return fields.finish(() => ({ kind, sums }))
    }
    case 'exchange': {
      const names = fields.blob(2, limit('syncMessageBytes'))
      if (names.length % ID_BYTES !== 0) fields.refuse('not a list of accounts')
      const accounts = pieces(names, ID_BYTES).map(accountOfBytes)
      const statements = blobs(fields, 3)
      return fields.finish(() => ({ kind, accounts, statements }))
    }
    default:
      fields.refuse('not a question')
      return fields.finish<never>(() => undefined)
  }
}

export function encodeStatementsAnswer(answer: StatementsAnswer): Uint8Array {
  const kind = KINDS.indexOf(answer.kind)
  switch (answer.kind) {
    case 'compare': {
      const entries = answer.accounts.map(({ account, sum }) =>
        concatBytes(accountBytesOf(account), parseHex(sum) ?? new Uint8Array(SUM_BYTES)),
      )
      return encodeCanonical(fieldsOf({ 0: VERSION, 1: kind, 2: answer.buckets, 3: concatBytes(...entries) }))
    }
    case 'exchange':
      return encodeCanonical(fieldsOf({ 0: VERSION, 1: kind, 2: answer.statements, 3: answer.covered }))
    case 'busy':
      return encodeCanonical(fieldsOf({ 0: VERSION, 1: kind }))
    default:
      return answer satisfies never
  }
}

export function parseStatementsAnswer(bytes: Uint8Array): Checked<StatementsAnswer> {
  const read = readerOf(bytes)
  if (read.kind !== 'ok') return read
  const { fields, kind } = read.value
  switch (kind) {
    case 'compare': {
      const list = fields.list(2, STATEMENT_BUCKETS)
      const buckets = list.filter((each): each is number => typeof each === 'number' && each >= 0)
      if (buckets.length !== list.length || buckets.some((each) => each >= STATEMENT_BUCKETS)) {
        fields.refuse('not a list of buckets')
      }
      const entries = fields.blob(3, limit('syncMessageBytes'))
      if (entries.length % ENTRY_BYTES !== 0) fields.refuse('not a list of sums')
      const accounts = pieces(entries, ENTRY_BYTES).map((entry) => ({
        account: accountOfBytes(entry.subarray(0, ID_BYTES)),
        sum: hexOf(entry.subarray(ID_BYTES)),
      }))
      return fields.finish(() => ({ kind, buckets, accounts }))
    }
    case 'exchange': {
      const statements = blobs(fields, 2)
      const covered = fields.uint(3)
      return fields.finish(() => ({ kind, statements, covered }))
    }
    case 'busy':
      return fields.finish(() => ({ kind }))
    default:
      fields.refuse('not an answer')
      return fields.finish<never>(() => undefined)
  }
}

function readerOf(
  bytes: Uint8Array,
): Ok<{ fields: FieldReader; kind: (typeof KINDS)[number] | undefined }> | Malformed {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('syncMessageBytes') })
  if (decoded.kind !== 'ok') return decoded
  const fields = new FieldReader(decoded.value)
  fields.version(VERSION)
  return ok({ fields, kind: KINDS[fields.uint(1)] })
}

function blobs(fields: FieldReader, key: number): readonly Uint8Array[] {
  const list = fields.list(key, limit('syncMessageBytes'))
  const found = list.filter((each: CanonicalValue) => each instanceof Uint8Array)
  if (found.length !== list.length) fields.refuse(`key ${key} is not a list of byte strings`)
  return found
}

function pieces(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) =>
    bytes.slice(index * size, (index + 1) * size),
  )
}
