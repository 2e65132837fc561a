/** Signatures for simulations of many nodes: as cheap as a hash, and good only among those who do not forge. */
import { createHash } from 'node:crypto'
import { equalBytes } from '../../core/identity/bytes.ts'
import { isStrictSignature, type PublicKey, parsePublicKey, SEED_BYTES } from '../../core/identity/ed25519-rules.ts'
import type { KeySource, Signer, Verifier } from '../../ports/signer.ts'

/** Keeps a random number below 2^252, where every key and every S is canonical. */
const LOW_BITS = 0x0f

function hash(algorithm: 'sha256' | 'sha512', ...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash(algorithm)
  for (const part of parts) digest.update(part)
  return new Uint8Array(digest.digest())
}

function signatureOf(publicKey: PublicKey, message: Uint8Array): Uint8Array {
  const signature = hash('sha512', publicKey, message)
  signature[63] = (signature[63] ?? 0) & LOW_BITS
  return signature
}

/** Anybody can make these signatures: whoever knows the public key. */
export class MemoryVerifier implements Verifier {
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
    if (!isStrictSignature(signature) || parsePublicKey(publicKey) === undefined) return false
    return equalBytes(signature, signatureOf(publicKey, message))
  }

  sha256(bytes: Uint8Array): Uint8Array {
    return hash('sha256', bytes)
  }
}

/** Seeds follow from `name` and a counter, so that a simulation has the same keys each time. */
export class MemoryKeySource implements KeySource {
  readonly #name: string
  #count = 0

  constructor(name: string) {
    this.#name = name
  }

  newSeed(): Uint8Array {
    this.#count += 1
    return hash('sha256', Buffer.from(`${this.#name} ${this.#count}`))
  }

  signerOf(seed: Uint8Array): Signer {
    if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes`)
    const bytes = hash('sha256', seed)
    bytes[31] = (bytes[31] ?? 0) & LOW_BITS
    const publicKey = parsePublicKey(bytes)
    if (publicKey === undefined) throw new RangeError('the seed makes no public key')
    return { publicKey, sign: (message) => signatureOf(publicKey, message) }
  }
}
