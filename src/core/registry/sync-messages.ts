/** The questions and answers by which two nodes make their registries equal. All values are untrusted when they are read. */
import { concatBytes, hexOf, parseHex } from '../identity/bytes.ts'
import { type CanonicalMap, type CanonicalValue, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { type PublicKey, parsePublicKey } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { malformed, type Ok, ok } from '../identity/refusal.ts'
import type { NetworkId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { BUCKETS, GROUPS, SUM_BYTES } from './digest.ts'
import type { Position } from './node-record.ts'
import type { ParseRefusal } from './record-refusal.ts'

export const SYNC_PROTOCOL = '/heddle/sync/1'
export const SYNC_VERSION = 1
const NETWORK_BYTES = 32
const KEY_BYTES = 32
/** The part of a record's id that tells two records of one number apart. */
export const ID_PREFIX_BYTES = 8

/** What one side holds of a node. */
export interface Have extends Position {
  readonly publicKey: PublicKey
  /** First 8 bytes of the record's id, lower-case hex. */
  readonly idPrefix: string
  /** Number of the newest beat; 0 for none. */
  readonly beatNumber: number
}

export type SyncItem =
  /** A record with the newest beat of its author, and how long ago the last sign of life was. */
  | {
      readonly kind: 'record'
      readonly record: Uint8Array
      readonly beat: Uint8Array | undefined
      readonly idleMs: number
    }
  | { readonly kind: 'proof'; readonly proof: Uint8Array }

export interface Hello {
  readonly kind: 'hello'
  readonly version: number
  readonly network: NetworkId
  /** By the sender's clock. */
  readonly now: UnixMs
  /** The root of the digest in the question; in the answer the sums of the groups, or nothing where the roots are equal. */
  readonly sums: Uint8Array
}

export type SyncQuestion =
  | Hello
  /** Asks for the sums of the buckets of these groups. */
  | { readonly kind: 'buckets'; readonly groups: readonly number[] }
  /** Tells what is held in these buckets and asks for what is newer or missing. */
  | { readonly kind: 'pull'; readonly buckets: readonly number[]; readonly haves: readonly Have[] }
  | { readonly kind: 'push'; readonly items: readonly SyncItem[] }

export type SyncAnswer =
  | Hello
  | { readonly kind: 'buckets'; readonly sums: Uint8Array }
  /** `covered` of the buckets, in their order, are dealt with in full; `wants` are nodes whose records the sender lacks. */
  | {
      readonly kind: 'pull'
      readonly items: readonly SyncItem[]
      readonly wants: readonly PublicKey[]
      readonly covered: number
    }
  | { readonly kind: 'push'; readonly taken: number }
  | { readonly kind: 'busy' }

const KINDS = ['hello', 'buckets', 'pull', 'push', 'busy'] as const

/** Key 0 is the kind; the others in the order of the fields. */
export function encodeQuestion(question: SyncQuestion): Uint8Array {
  switch (question.kind) {
    case 'hello':
      return encodeCanonical(helloFields(question))
    case 'buckets':
      return encodeCanonical(fieldsOf({ 0: KINDS.indexOf('buckets'), 1: question.groups }))
    case 'pull':
      return encodeCanonical(
        fieldsOf({ 0: KINDS.indexOf('pull'), 1: question.buckets, 2: question.haves.map(haveFields) }),
      )
    case 'push':
      return encodeCanonical(fieldsOf({ 0: KINDS.indexOf('push'), 1: question.items.map(itemFields) }))
    default:
      return question satisfies never
  }
}

export function parseQuestion(bytes: Uint8Array): Ok<SyncQuestion> | ParseRefusal {
  const read = readerOf(bytes)
  if (read.kind !== 'ok') return read
  const { fields, kind } = read.value
  switch (kind) {
    case 'hello':
      return finish(fields, readHello(fields))
    case 'buckets': {
      const groups = numbers(fields, 1, GROUPS)
      return finish(fields, { kind, groups })
    }
    case 'pull': {
      const buckets = numbers(fields, 1, BUCKETS)
      const haves = fields.list(2, limit('registryRecords')).map((have) => parseHave(fields, have))
      return finish(fields, { kind, buckets, haves: haves.filter((have) => have !== undefined) })
    }
    case 'push':
      return finish(fields, { kind, items: parseItems(fields, 1) })
    default:
      return malformed('not a question')
  }
}

export function encodeAnswer(answer: SyncAnswer): Uint8Array {
  switch (answer.kind) {
    case 'hello':
      return encodeCanonical(helloFields(answer))
    case 'buckets':
      return encodeCanonical(fieldsOf({ 0: KINDS.indexOf('buckets'), 1: answer.sums }))
    case 'pull':
      return encodeCanonical(
        fieldsOf({ 0: KINDS.indexOf('pull'), 1: answer.items.map(itemFields), 2: answer.wants, 3: answer.covered }),
      )
    case 'push':
      return encodeCanonical(fieldsOf({ 0: KINDS.indexOf('push'), 1: answer.taken }))
    case 'busy':
      return encodeCanonical(fieldsOf({ 0: KINDS.indexOf('busy') }))
    default:
      return answer satisfies never
  }
}

export function parseAnswer(bytes: Uint8Array): Ok<SyncAnswer> | ParseRefusal {
  const read = readerOf(bytes)
  if (read.kind !== 'ok') return read
  const { fields, kind } = read.value
  switch (kind) {
    case 'hello':
      return finish(fields, readHello(fields))
    case 'buckets':
      return finish(fields, { kind, sums: fields.blob(1, BUCKETS * SUM_BYTES) })
    case 'pull': {
      const items = parseItems(fields, 1)
      const wants = fields
        .list(2, limit('registryRecords'))
        .map((key) => (key instanceof Uint8Array ? parsePublicKey(key) : undefined))
      if (wants.includes(undefined)) fields.refuse('not a list of keys')
      return finish(fields, { kind, items, wants: wants.filter((key) => key !== undefined), covered: fields.uint(3) })
    }
    case 'push':
      return finish(fields, { kind, taken: fields.uint(1) })
    case 'busy':
      return finish(fields, { kind })
    default:
      return malformed('not an answer')
  }
}

/** About how many bytes an item takes in a message. */
export function itemBytes(item: SyncItem): number {
  const overhead = 16
  return overhead + (item.kind === 'proof' ? item.proof.length : item.record.length + (item.beat?.length ?? 0))
}

function readerOf(bytes: Uint8Array) {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('syncMessageBytes') })
  if (decoded.kind !== 'ok') return decoded
  const fields = new FieldReader(decoded.value)
  return ok({ fields, kind: KINDS[fields.uint(0)] })
}

function finish<T>(fields: FieldReader, value: T): Ok<T> | ParseRefusal {
  return fields.finish(() => value) as Ok<T> | ParseRefusal
}

function helloFields({ version, network, now, sums }: Hello): CanonicalMap {
  return fieldsOf({ 0: KINDS.indexOf('hello'), 1: version, 2: parseHex(network), 3: now, 4: sums })
}

function readHello(fields: FieldReader): Hello {
  const version = fields.uint(1)
  const network = hexOf(fields.bytes(2, NETWORK_BYTES)) as NetworkId
  return { kind: 'hello', version, network, now: fields.time(3), sums: fields.blob(4, GROUPS * SUM_BYTES) }
}

/** `[key and id prefix, incarnation, sequence, beat number]` */
function haveFields({ publicKey, idPrefix, incarnation, seq, beatNumber }: Have): CanonicalValue {
  return [concatBytes(publicKey, parseHex(idPrefix) ?? new Uint8Array(ID_PREFIX_BYTES)), incarnation, seq, beatNumber]
}

function parseHave(fields: FieldReader, value: CanonicalValue): Have | undefined {
  const [names, incarnation, seq, beatNumber] = Array.isArray(value) ? (value as readonly CanonicalValue[]) : []
  const isNamed = names instanceof Uint8Array && names.length === KEY_BYTES + ID_PREFIX_BYTES
  const publicKey = isNamed ? parsePublicKey(names.slice(0, KEY_BYTES)) : undefined
  if (!isNamed || publicKey === undefined || !isCount(incarnation) || !isCount(seq) || !isCount(beatNumber)) {
    fields.refuse('not what a node holds')
    return undefined
  }
  return { publicKey, idPrefix: hexOf(names.slice(KEY_BYTES)), incarnation, seq, beatNumber }
}

/** `[record, idle, beat]` with the beat left out where there is none, or `[proof]`. */
function itemFields(item: SyncItem): CanonicalValue {
  if (item.kind === 'proof') return [item.proof]
  return item.beat === undefined ? [item.record, item.idleMs] : [item.record, item.idleMs, item.beat]
}

function parseItems(fields: FieldReader, key: number): readonly SyncItem[] {
  const items = fields.list(key, limit('registryRecords')).map((value): SyncItem | undefined => {
    const [first, idleMs, beat] = Array.isArray(value) ? (value as readonly CanonicalValue[]) : []
    if (!(first instanceof Uint8Array)) return undefined
    if (idleMs === undefined) return { kind: 'proof', proof: first }
    if (!isCount(idleMs) || (beat !== undefined && !(beat instanceof Uint8Array))) return undefined
    return { kind: 'record', record: first, idleMs, beat }
  })
  if (items.includes(undefined)) fields.refuse('not a list of items')
  return items.filter((item) => item !== undefined)
}

function numbers(fields: FieldReader, key: number, below: number): readonly number[] {
  const list = fields.list(key, below)
  const found = list.filter((item): item is number => isCount(item) && item < below)
  if (found.length !== list.length) fields.refuse(`key ${key} is not a list of numbers below ${below}`)
  return found
}

function isCount(value: CanonicalValue | undefined): value is number {
  return typeof value === 'number' && value >= 0
}
