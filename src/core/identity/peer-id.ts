/** A node's id: the libp2p peer id of its Ed25519 device key, as text. */
import { asNodeId, type NodeId } from '../ids.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'

/** Identity multihash of 36 bytes, around the protobuf of a public key: type Ed25519 (1), 32 bytes of data (libp2p peer-ids specification). */
const PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] as const
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** The prefix makes each of these ids begin so, and have 52 characters. */
const SHAPE = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/

/** @param publicKey the 32 raw bytes of an Ed25519 public key */
export function peerIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes`)
  return asNodeId(base58btc([...PREFIX, ...publicKey]))
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
  for (const character of text) value = value * 58n + BigInt(ALPHABET.indexOf(character))
  const bytes = new Uint8Array(PREFIX.length + PUBLIC_KEY_BYTES)
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(value & 255n)
    value >>= 8n
  }
  if (value !== 0n || PREFIX.some((byte, at) => bytes[at] !== byte)) return undefined
  return parsePublicKey(bytes.subarray(PREFIX.length))
}

/** Base 58 in Bitcoin's alphabet; leading zero bytes become leading `1`s. */
function base58btc(bytes: readonly number[]): string {
  const zeros = bytes.findIndex((byte) => byte !== 0)
  let value = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let digits = ''
  while (value > 0n) {
    digits = ALPHABET.charAt(Number(value % 58n)) + digits
    value /= 58n
  }
  return ALPHABET.charAt(0).repeat(Math.max(0, zeros)) + digits
}
