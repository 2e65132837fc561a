/** A node's id: the libp2p peer id of its Ed25519 device key, as text. */
import { asNodeId, type NodeId } from '../ids.ts'
import { concatBytes, hexOf, parseHex } from './bytes.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'

/** Identity multihash of 36 bytes, around the protobuf of a public key: type Ed25519 (1), 32 bytes of data (libp2p peer-ids specification). */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** As many digits as an ordinary number holds; big integers are slow, so they are asked for little. */
const CHUNK_DIGITS = 9
const CHUNK = 58n ** 9n
/** The prefix makes each of these ids begin so, and have 52 characters. */
const SHAPE = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/

/** @param publicKey the 32 raw bytes of an Ed25519 public key */
export function peerIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes`)
  return asNodeId(base58btc(concatBytes(PREFIX, publicKey)))
}

/** Parses an untrusted peer id; undefined unless it is the id of an Ed25519 key that signatures are taken from. */
export function parsePeerId(text: string): NodeId | undefined {
  return publicKeyIn(text) === undefined ? undefined : asNodeId(text)
}

/**
 * The device key inside a node's id.
 * @throws RangeError where `id` did not come from `peerIdOf` or `parsePeerId`
 */
export function publicKeyOf(id: NodeId): PublicKey {
  const key = publicKeyIn(id)
  if (key === undefined) throw new RangeError('not the peer id of an Ed25519 key')
  return key
}

function publicKeyIn(text: string): PublicKey | undefined {
  if (!SHAPE.test(text)) return undefined
  let value = 0n
  for (let at = 0; at < text.length; at += CHUNK_DIGITS) {
    const digits = text.slice(at, at + CHUNK_DIGITS)
    let chunk = 0
    for (const digit of digits) chunk = chunk * 58 + ALPHABET.indexOf(digit)
    value = value * 58n ** BigInt(digits.length) + BigInt(chunk)
  }
  const bytes = parseHex(value.toString(16).padStart((PREFIX.length + PUBLIC_KEY_BYTES) * 2, '0'))
  if (bytes?.length !== PREFIX.length + PUBLIC_KEY_BYTES) return undefined
  if (PREFIX.some((byte, at) => bytes[at] !== byte)) return undefined
  return parsePublicKey(bytes.slice(PREFIX.length))
}

/** Base 58 in Bitcoin's alphabet; leading zero bytes become leading `1`s. */
function base58btc(bytes: Uint8Array): string {
  const zeros = bytes.findIndex((byte) => byte !== 0)
  let value = BigInt(`0x${hexOf(bytes)}`)
  let digits = ''
  while (value > 0n) {
    let chunk = Number(value % CHUNK)
    value /= CHUNK
    for (let count = 0; count < CHUNK_DIGITS && (value > 0n || chunk > 0); count += 1) {
      digits = ALPHABET.charAt(chunk % 58) + digits
      chunk = Math.floor(chunk / 58)
    }
  }
  return ALPHABET.charAt(0).repeat(Math.max(0, zeros)) + digits
}
