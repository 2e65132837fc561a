/** Load beats: the small signed messages that say that a node lives and how busy it is. They are never stored. */
import { hexOf, parseHex } from '../identity/bytes.ts'
import { type CanonicalValue, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { type PublicKey, parsePublicKey } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { type Ok, ok } from '../identity/refusal.ts'
import {
  decodeSigned,
  encodeSigned,
  hasSignatures,
  type SignatureScheme,
  type SignedValue,
  type SigningKey,
  signValue,
} from '../identity/signed-value.ts'
import type { NetworkId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import type { Position, ServiceLoad } from './node-record.ts'
import type { ParseRefusal } from './record-refusal.ts'

const VERSION = 1
const NETWORK_BYTES = 32
/** In flight, queued, input rate, output rate. */
const NUMBERS_PER_LOAD = 4

/** Its position is that of the record whose services the loads belong to. */
export interface LoadBeat extends Position {
  readonly publicKey: PublicKey
  readonly network: NetworkId
  /** Grows with every beat of an incarnation; from 1. */
  readonly number: number
  /** By the author's clock. */
  readonly sentAt: UnixMs
  /** How long the node may stay silent from now on. */
  readonly leaseMs: number
  /** One for each service of the record, in its order. */
  readonly loads: readonly ServiceLoad[]
}

/** A beat whose signature is good, as it travels. */
export interface SignedBeat {
  readonly beat: LoadBeat
  readonly bytes: Uint8Array
}

export interface UnverifiedBeat extends SignedBeat {
  readonly signed: SignedValue<'load-beats'>
}

/** Keys: 0 version, 1 device key, 2 network, 3 incarnation, 4 sequence, 5 number, 6 sent at, 7 lease, 8 four numbers for each service. */
export function signLoadBeat(key: SigningKey, beat: Omit<LoadBeat, 'publicKey'>): SignedBeat {
  const payload = encodeCanonical(
    fieldsOf({
      0: VERSION,
      1: key.publicKey,
      2: parseHex(beat.network),
      3: beat.incarnation,
      4: beat.seq,
      5: beat.number,
      6: beat.sentAt,
      7: beat.leaseMs,
      8: beat.loads.flatMap((load) => [load.inFlight, load.queued, load.inputRate, load.outputRate]),
    }),
  )
  const bytes = encodeSigned(signValue('load-beats', payload, [key]))
  if (bytes.length > limit('beatBytes')) throw new RangeError(`a load beat of ${bytes.length} bytes is too long`)
  return { beat: { ...beat, publicKey: key.publicKey }, bytes }
}

/** Reads untrusted bytes without checking the signature. */
export function parseLoadBeat(bytes: Uint8Array): Ok<UnverifiedBeat> | ParseRefusal {
  const envelope = decodeSigned(bytes, ['load-beats'], { maxBytes: limit('beatBytes') })
  if (envelope.kind !== 'ok') return envelope
  const signed = envelope.value
  const payload = decodeCanonical(signed.payload, { maxBytes: limit('beatBytes') })
  if (payload.kind !== 'ok') return payload
  const fields = new FieldReader(payload.value)
  fields.version(VERSION)
  const publicKey = fields.parsed(1, 32, parsePublicKey, 'a public key')
  const network = hexOf(fields.bytes(2, NETWORK_BYTES)) as NetworkId
  const [incarnation, seq, number] = [fields.uint(3), fields.uint(4), fields.uint(5)]
  const sentAt = fields.time(6)
  const leaseMs = fields.uint(7)
  const loads = loadsOf(fields)
  const beat = fields.finish((): LoadBeat | undefined =>
    publicKey === undefined ? undefined : { publicKey, network, incarnation, seq, number, sentAt, leaseMs, loads },
  )
  if (beat.kind !== 'ok') return beat as ParseRefusal
  return ok({ beat: beat.value, bytes: Uint8Array.from(bytes), signed })
}

/** Checks the signature; the result keeps nothing but what the registry holds. */
export function verifyBeat(
  scheme: Pick<SignatureScheme, 'verify'>,
  { beat, bytes, signed }: UnverifiedBeat,
): SignedBeat | undefined {
  return hasSignatures(scheme, signed, [beat.publicKey]) ? { beat, bytes } : undefined
}

function loadsOf(fields: FieldReader): readonly ServiceLoad[] {
  const numbers = fields.list(8, limit('recordServices') * NUMBERS_PER_LOAD)
  if (numbers.length % NUMBERS_PER_LOAD !== 0 || !numbers.every(isCount)) fields.refuse('key 8 is not a list of loads')
  return Array.from({ length: Math.floor(numbers.length / NUMBERS_PER_LOAD) }, (_, index) => {
    const [inFlight, queued, inputRate, outputRate] = numbers.slice(index * NUMBERS_PER_LOAD) as number[]
    return { inFlight: inFlight ?? 0, queued: queued ?? 0, inputRate: inputRate ?? 0, outputRate: outputRate ?? 0 }
  })
}

function isCount(value: CanonicalValue): value is number {
  return typeof value === 'number' && value >= 0
}
