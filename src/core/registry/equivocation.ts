/** The proof that a node signed two different records with one number. Anybody can check it without trusting who sent it. */
import { type CanonicalValue, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { malformed, type Ok, ok } from '../identity/refusal.ts'
import type { SignatureScheme } from '../identity/signed-value.ts'
import { limit } from '../limits.ts'
import type { Slot } from './merge.ts'
import { comparePositions } from './node-record.ts'
import { parseNodeRecord, verifyRecord } from './record-codec.ts'
import type { ParseRefusal } from './record-refusal.ts'

export type Equivocation = Extract<Slot, { readonly kind: 'equivocation' }>

/** A canonical list of the two records. */
export function encodeProof({ records }: Equivocation): Uint8Array {
  return encodeCanonical(records.map(({ bytes }) => bytes))
}

/** Reads and checks an untrusted proof, signatures included. */
export function checkProof(scheme: SignatureScheme, bytes: Uint8Array): Ok<Equivocation> | ParseRefusal {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('proofBytes') })
  if (decoded.kind !== 'ok') return decoded
  const list: readonly CanonicalValue[] = Array.isArray(decoded.value) ? decoded.value : []
  const [a, b] = list
  if (list.length !== 2 || !(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return malformed('not two records')
  const first = parseNodeRecord(scheme, a)
  if (first.kind !== 'ok') return first
  const second = parseNodeRecord(scheme, b)
  if (second.kind !== 'ok') return second
  const [x, y] = [first.value, second.value]
  if (x.record.peer !== y.record.peer || comparePositions(x.record, y.record) !== 0 || x.id >= y.id) {
    return malformed('not two records of one author and number, in the order of their ids')
  }
  const verified = [verifyRecord(scheme, x), verifyRecord(scheme, y)] as const
  if (verified[0] === undefined || verified[1] === undefined) return { kind: 'bad_signature' }
  return ok({ kind: 'equivocation', records: [verified[0], verified[1]] })
}
