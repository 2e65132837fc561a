/** The one way in which a signed value is written as bytes: deterministic CBOR (RFC 8949 §4.2), integers only. */
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { limit } from '../limits.ts'
import { equalBytes } from './bytes.ts'
import { shapeProblem } from './canonical-shape.ts'
import { type Malformed, malformed, type Ok, ok } from './refusal.ts'

/** Integers lie within ±(2^53 - 1); keys are unsigned integers. */
export type CanonicalValue =
  | number
  | boolean
  | string
  | Uint8Array
  | readonly CanonicalValue[]
  | ReadonlyMap<number, CanonicalValue>

export type CanonicalMap = ReadonlyMap<number, CanonicalValue>

const DECODING = {
  useMaps: true,
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const

/** @throws RangeError where `value` has no canonical form: a fraction, a lone surrogate, too deep, a text too long */
export function encodeCanonical(value: CanonicalValue): Uint8Array {
  checkWritable(value, 0)
  // A copy, because the encoder may hand out a part of a larger buffer.
  const bytes = new Uint8Array(encode(value, rfc8949EncodeOptions))
  const problem = shapeProblem(bytes)
  if (problem !== undefined) throw new RangeError(`no canonical form: ${problem}`)
  return bytes
}

/** Reads untrusted bytes; only those that `encodeCanonical` would have written are taken. */
export function decodeCanonical(
  bytes: Uint8Array,
  { maxBytes }: { readonly maxBytes: number },
): Ok<CanonicalValue> | Malformed {
  if (bytes.length > maxBytes) return malformed(`longer than ${maxBytes} bytes`)
  const problem = shapeProblem(bytes)
  if (problem !== undefined) return malformed(problem)
  let value: CanonicalValue
  try {
    value = decode(bytes, DECODING) as CanonicalValue
  } catch {
    // cborg tells by throwing that a number is not in its shortest form, or that a key comes twice.
    return malformed('not in canonical form')
  }
  if (!equalBytes(encode(value, rfc8949EncodeOptions), bytes)) return malformed('not in canonical form')
  return ok(value)
}

export function isCanonicalMap(value: CanonicalValue | undefined): value is CanonicalMap {
  return value instanceof Map
}

function checkWritable(value: CanonicalValue, depth: number): void {
  if (depth > limit('canonicalDepth')) throw new RangeError('no canonical form: nested too deep')
  if (typeof value === 'boolean' || value instanceof Uint8Array) return
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new RangeError(`no canonical form: ${value}`)
    return
  }
  if (typeof value === 'string') {
    // A decoder would drop the mark, so the text would not survive.
    if (!value.isWellFormed() || value.startsWith('\ufeff')) throw new RangeError('no canonical form: not plain text')
    return
  }
  if (isCanonicalMap(value)) {
    for (const [key, each] of value) {
      if (!Number.isSafeInteger(key) || key < 0) throw new RangeError(`no canonical form: key ${key}`)
      checkWritable(each, depth + 1)
    }
    return
  }
  for (const each of value) checkWritable(each, depth + 1)
}
