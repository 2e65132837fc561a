/** Ed25519 with Node's own crypto: signers around a key object, and a verifier that keeps public keys ready. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { hexOf } from '../../core/identity/bytes.ts'
import { isStrictSignature, type PublicKey, parsePublicKey, SEED_BYTES } from '../../core/identity/ed25519-rules.ts'
import { limit } from '../../core/limits.ts'
import type { KeySource, Signer, Verifier } from '../../ports/signer.ts'

/** PKCS#8 of an Ed25519 private key up to its 32 bytes (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** SPKI of an Ed25519 public key up to its 32 bytes (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export class Ed25519Signer implements Signer {
  readonly publicKey: PublicKey
  readonly #privateKey: KeyObject

  /** @throws RangeError where `privateKey` is of another algorithm */
  constructor(privateKey: KeyObject) {
    const isEd25519 = privateKey.asymmetricKeyType === 'ed25519'
    const publicKey = isEd25519 ? parsePublicKey(rawPublicKeyOf(privateKey)) : undefined
    if (publicKey === undefined) throw new RangeError('not an Ed25519 key')
    this.publicKey = publicKey
    this.#privateKey = privateKey
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#privateKey))
  }
}

/** Keeps the last used public keys as key objects: making one costs as much as a verification. */
export class Ed25519Verifier implements Verifier {
  readonly #keys = new Map<string, KeyObject>()

  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
    if (!isStrictSignature(signature)) return false
    const key = this.#keyOf(publicKey)
    if (key === undefined) return false
    try {
      return verify(null, message, key, signature)
    } catch {
      // OpenSSL throws where the bytes are no point of the curve, which only shows now.
      return false
    }
  }

  sha256(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(createHash('sha256').update(bytes).digest())
  }

  #keyOf(publicKey: PublicKey): KeyObject | undefined {
    const name = hexOf(publicKey)
    const known = this.#keys.get(name)
    if (known !== undefined) {
      this.#keys.delete(name)
      this.#keys.set(name, known)
      return known
    }
    if (parsePublicKey(publicKey) === undefined) return undefined
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
    this.#keys.set(name, key)
    if (this.#keys.size > limit('verifierKeys')) {
      const oldest = this.#keys.keys().next()
      if (!oldest.done) this.#keys.delete(oldest.value)
    }
    return key
  }
}

export const ed25519Keys: KeySource = {
  newSeed: () => new Uint8Array(randomBytes(SEED_BYTES)),
  signerOf: (seed) => new Ed25519Signer(privateKeyOf(seed)),
}

/** The key object of a 32-byte seed (RFC 8032 §5.1.5). */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== SEED_BYTES) throw new RangeError(`an Ed25519 seed has ${SEED_BYTES} bytes`)
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
}

/** The 32-byte seed inside a private key; for writing it to its file and for libp2p. */
export function seedOf(privateKey: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'))
}

function rawPublicKeyOf(privateKey: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url'))
}
