/** A node's id: the libp2p peer id of its Ed25519 device key, as text. */
import { asNodeId, type NodeId } from '../ids.ts'

const PUBLIC_KEY_BYTES = 32
/** Identity multihash of 36 bytes, around the protobuf of a public key: type Ed25519 (1), 32 bytes of data (libp2p peer-ids specification). */
const PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] as const
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** @param publicKey the 32 raw bytes of an Ed25519 public key */
export function peerIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes`)
  return asNodeId(base58btc([...PREFIX, ...publicKey]))
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
