/** A network's first document: what it is called and who admits members. Its SHA-256 is the network's id. */
import { hexOf } from '../identity/bytes.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf, isDisplayName } from '../identity/field-reader.ts'
import type { Checked } from '../identity/refusal.ts'
import type { SignatureScheme } from '../identity/signed-value.ts'
import { asUnixMs, type NetworkId, type UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'

const VERSION = 1
export const NONCE_BYTES = 16
/** version, name, time in ms since 1970, nonce (16 bytes), network key (32 bytes, only where members are admitted). */
const KEY = { name: 1, createdAt: 2, nonce: 3, networkKey: 4 } as const

export interface Genesis {
  readonly name: string
  readonly createdAt: UnixMs
  /** Random, so that two networks of one name and moment differ. */
  readonly nonce: Uint8Array
  /** Signs the memberships of a private network; undefined where everybody may take part. */
  readonly networkKey: PublicKey | undefined
  /** Fields from key 32 on, of later versions. */
  readonly extensions: CanonicalMap
}

/** The network of nodes that were told of no other: open to everybody who can reach one of them. */
export const OPEN_NETWORK: Genesis = {
  name: 'open',
  createdAt: asUnixMs(0),
  nonce: new Uint8Array(NONCE_BYTES),
  networkKey: undefined,
  extensions: new Map(),
}

/** @throws RangeError where the name cannot be shown */
export function encodeGenesis({ name, createdAt, nonce, networkKey, extensions }: Genesis): Uint8Array {
  if (!isDisplayName(name)) throw new RangeError('a network needs a name that can be shown')
  const fields = { 0: VERSION, [KEY.name]: name, [KEY.createdAt]: createdAt, [KEY.nonce]: nonce }
  return encodeCanonical(fieldsOf({ ...fields, [KEY.networkKey]: networkKey }, extensions))
}

/** Reads an untrusted genesis document. */
export function readGenesis(bytes: Uint8Array): Checked<Genesis> {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('genesisBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const name = reader.displayName(KEY.name)
  const createdAt = reader.time(KEY.createdAt)
  const nonce = reader.bytes(KEY.nonce, NONCE_BYTES)
  const networkKey = reader.has(KEY.networkKey)
    ? reader.parsed(KEY.networkKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
    : undefined
  return reader.finish((extensions) => ({ name, createdAt, nonce, networkKey, extensions }))
}

/** The id of the network that these bytes found; every byte of them is in it. */
export function networkIdOf(scheme: Pick<SignatureScheme, 'sha256'>, genesis: Uint8Array): NetworkId {
  return hexOf(scheme.sha256(genesis)) as NetworkId
}

/** Parses an untrusted network id: 64 lower-case hexadecimal digits. */
export function parseNetworkId(text: string): NetworkId | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as NetworkId) : undefined
}
