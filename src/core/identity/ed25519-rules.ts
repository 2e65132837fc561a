/** What every Ed25519 verifier of heddle must agree on before it computes: which keys and signatures are taken at all. */
import type { Brand } from '../ids.ts'

export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64
export const SEED_BYTES = 32

/** 32 bytes that encode a point of large order in the one right way. */
export type PublicKey = Brand<Uint8Array, 'PublicKey'>

/**
 * y coordinates, little-endian, of the eight points of small order: 0, 1, -1 and the two of order eight.
 * A signature under such a key fits any message ("Taming the many EdDSAs", ePrint 2020/1244).
 */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  2n ** 255n - 20n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
])

/** p = 2^255 - 19 */
const FIELD = 2n ** 255n - 19n
/** The highest bit of a point is the sign of its x. */
const Y_BITS = 2n ** 255n - 1n
/** The order of the base point: 2^252 + 27742317777372353535851937790883648493 (RFC 8032 §5.1). */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** Takes 32 bytes as a public key unless the point has small order or is not written in its one right way. */
export function parsePublicKey(bytes: Uint8Array): PublicKey | undefined {
  return bytes.length === PUBLIC_KEY_BYTES && isStrictPoint(bytes) ? (bytes as PublicKey) : undefined
}

/**
 * Whether a verifier computes with `signature` at all: 64 bytes, an S below the order of the base point (RFC 8032 §5.1.7), so that nobody
 * else can vary it, and an R like a public key's. Libraries differ in the last; with it looked at here they agree.
 */
export function isStrictSignature(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  return littleEndian(signature.subarray(32)) < ORDER && isStrictPoint(signature.subarray(0, 32))
}

function isStrictPoint(bytes: Uint8Array): boolean {
  const y = littleEndian(bytes) & Y_BITS
  return y < FIELD && !SMALL_ORDER_Y.has(y)
}

/** Of 32 bytes, taken eight at a time because big integers are slow to build. */
function littleEndian(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let value = 0n
  for (let at = 24; at >= 0; at -= 8) value = (value << 64n) | view.getBigUint64(at, true)
  return value
}
