/** Canonical bytes with the signatures over them, apart for every kind of value, so that no signature fits two meanings. */
import { concatBytes } from './bytes.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { type PublicKey, SIGNATURE_BYTES } from './ed25519-rules.ts'
import { type Malformed, malformed, type Ok, ok } from './refusal.ts'

/** Everything that is signed, and by how many keys. The names are in the signed bytes: none is ever changed or used again. */
const SIGNATURES = {
  'device-certificate': 1,
  revocation: 1,
  'device-rotation': 3,
  'account-rotation': 2,
  membership: 1,
  'node-record': 1,
  'load-beats': 1,
} as const

export type SignedKind = keyof typeof SIGNATURES

export interface SignedValue<Kind extends SignedKind = SignedKind> {
  readonly kind: Kind
  /** Canonical bytes, kept as they came: what a later version added stays under the signature. */
  readonly payload: Uint8Array
  readonly signatures: readonly Uint8Array[]
}

/** A private key that can be used and not read. */
export interface SigningKey {
  readonly publicKey: PublicKey
  /** 64 bytes, Ed25519 (RFC 8032). */
  sign(message: Uint8Array): Uint8Array
}

/** The two computations that checks need. */
export interface SignatureScheme {
  /** Strict: false for keys that `parsePublicKey` refuses and for signatures that `isStrictSignature` refuses. */
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): boolean
  sha256(bytes: Uint8Array): Uint8Array
}

/** What is signed: `"heddle/<kind>/v1"` in ASCII, a zero byte, the payload. */
export function signedMessage(kind: SignedKind, payload: Uint8Array): Uint8Array {
  return concatBytes(PREFIXES.get(kind) ?? prefixOf(kind), payload)
}

function prefixOf(kind: string): Uint8Array {
  return Uint8Array.from(`heddle/${kind}/v1\0`, (character) => character.charCodeAt(0))
}

/** Made once: every check of a signature needs one. */
const PREFIXES: ReadonlyMap<string, Uint8Array> = new Map(Object.keys(SIGNATURES).map((kind) => [kind, prefixOf(kind)]))

/** @param keys one for each signature that the kind has, in its order */
export function signValue<Kind extends SignedKind>(
  kind: Kind,
  payload: Uint8Array,
  keys: readonly SigningKey[],
): SignedValue<Kind> {
  if (keys.length !== SIGNATURES[kind]) throw new RangeError(`${kind} has ${SIGNATURES[kind]} signatures`)
  const message = signedMessage(kind, payload)
  return { kind, payload, signatures: keys.map((key) => key.sign(message)) }
}

/** Whether the value carries one good signature of each of `keys`, in their order. */
export function hasSignatures(
  scheme: Pick<SignatureScheme, 'verify'>,
  { kind, payload, signatures }: SignedValue,
  keys: readonly PublicKey[],
): boolean {
  if (signatures.length !== keys.length || keys.length !== SIGNATURES[kind]) return false
  const message = signedMessage(kind, payload)
  return keys.every((key, index) => scheme.verify(key, message, signatures[index] ?? new Uint8Array()))
}

/** The id of a signed value: SHA-256 of what is signed. The signatures are not in it, so signing again makes the same id. */
export function signedIdOf(scheme: Pick<SignatureScheme, 'sha256'>, { kind, payload }: SignedValue): Uint8Array {
  return scheme.sha256(signedMessage(kind, payload))
}

/** A canonical list: kind as text, payload as bytes, one signature or more. */
export function encodeSigned({ kind, payload, signatures }: SignedValue): Uint8Array {
  return encodeCanonical([kind, payload, ...signatures])
}

/** Reads an untrusted signed value of one of `kinds`; signatures are not checked yet. */
export function decodeSigned<Kind extends SignedKind>(
  bytes: Uint8Array,
  kinds: readonly Kind[],
  { maxBytes }: { readonly maxBytes: number },
): Ok<SignedValue<Kind>> | Malformed {
  const decoded = decodeCanonical(bytes, { maxBytes })
  if (decoded.kind !== 'ok') return decoded
  if (!Array.isArray(decoded.value)) return malformed('not a signed value')
  const [name, payload, ...rest] = decoded.value as readonly unknown[]
  const kind = kinds.find((each) => each === name)
  if (kind === undefined) return malformed('a signed value of another kind')
  if (!(payload instanceof Uint8Array)) return malformed('no payload')
  const signatures = rest.filter(
    (each) => each instanceof Uint8Array && each.length === SIGNATURE_BYTES,
  ) as Uint8Array[]
  if (rest.length !== SIGNATURES[kind] || signatures.length !== rest.length) return malformed('not its signatures')
  return ok({ kind, payload, signatures })
}
