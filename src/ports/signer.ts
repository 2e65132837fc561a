/** Ed25519 behind an interface: signing without seeing the key, and checks that every implementation decides alike. */
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import type { SignatureScheme, SigningKey } from '../core/identity/signed-value.ts'

/**
 * A private key that can be used and not read. Every implementation promises that signing the same message twice gives the same 64 bytes,
 * and that the key is in no error, log or enumerable property.
 */
export interface Signer extends SigningKey {
  readonly publicKey: PublicKey
}

/**
 * Every implementation promises (test/contracts/signer.contract.ts checks it): `verify` never throws; it is false for a signature that
 * `isStrictSignature` refuses and for a key that `parsePublicKey` refuses.
 */
export interface Verifier extends SignatureScheme {
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): boolean
}

/** Makes signers. */
export interface KeySource {
  /** 32 bytes of the best randomness there is. */
  newSeed(): Uint8Array
  /** The signer of a 32-byte seed (RFC 8032 §5.1.5); the seed is copied. */
  signerOf(seed: Uint8Array): Signer
}
