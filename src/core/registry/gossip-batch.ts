/** What one gossip message carries: records, load beats and proofs, each signed by its author and independent of the others. */
import { type CanonicalValue, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { malformed, type Ok, ok } from '../identity/refusal.ts'
import type { NetworkId } from '../ids.ts'
import { limit } from '../limits.ts'
import type { ParseRefusal } from './record-refusal.ts'

const VERSION = 1

export interface GossipBatch {
  readonly records: readonly Uint8Array[]
  readonly beats: readonly Uint8Array[]
  readonly proofs: readonly Uint8Array[]
}

/** The topic on which a network's nodes tell what changed. */
export function registryTopic(network: NetworkId): string {
  return `/heddle/registry/1/${network}`
}

/** Keys: 0 version, 1 records, 2 load beats, 3 proofs. */
export function encodeBatch({ records, beats, proofs }: GossipBatch): Uint8Array {
  return encodeCanonical(fieldsOf({ 0: VERSION, 1: records, 2: beats, 3: proofs }))
}

/** Reads untrusted bytes; what is inside is not looked at. */
export function parseBatch(bytes: Uint8Array): Ok<GossipBatch> | ParseRefusal {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('gossipMessageBytes') })
  if (decoded.kind !== 'ok') return decoded
  const fields = new FieldReader(decoded.value)
  fields.version(VERSION)
  const lists = [1, 2, 3].map((key) => fields.list(key, limit('gossipMessageBytes')))
  const batch = fields.finish(() => lists.map((list) => list.filter(isBytes)))
  if (batch.kind !== 'ok') return batch as ParseRefusal
  const [records = [], beats = [], proofs = []] = batch.value
  const found = records.length + beats.length + proofs.length
  if (found !== lists.reduce((sum, list) => sum + list.length, 0)) return malformed('not lists of byte strings')
  return ok({ records, beats, proofs })
}

function isBytes(value: CanonicalValue): value is Uint8Array {
  return value instanceof Uint8Array
}
