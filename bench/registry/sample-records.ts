/** Records for benchmarks: those of devices that sign, and many more that nobody signed, for what does not look at signatures. */
import { createHash } from 'node:crypto'
import type { PublicKey } from '../../src/core/identity/ed25519-rules.ts'
import type { SignatureScheme } from '../../src/core/identity/signed-value.ts'
import { signNodeRecord } from '../../src/core/registry/record-codec.ts'
import { START, scheme, TEST_NETWORK, testDescription, testService } from '../../test/support/registry-peer.ts'

/** Nodes that serve one model: 25 different models over all nodes. */
export const MODELS = 25
export const FIRST_DEVICE = 100_000
export const NO_QUOTAS = { records: 1_000_000, perBlock: 1_000_000, withoutBlock: 1_000_000 }

export function modelOf(index: number): string {
  return `model-${index % MODELS}:8b`
}

/** What the node of this number says of itself: one model, and an address in a block of its own. */
export function describedAs(index: number, model = modelOf(index)) {
  const offers = testService().offers.map((offer) => ({ ...offer, id: model }))
  const address = `/ip4/${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.7/tcp/11441`
  return { addresses: [address], services: [testService({ offers })] }
}

/** A record like those of devices, with a signature of zeros under a key that nobody has. */
export function unsignedRecord(index: number): Uint8Array {
  const publicKey = Uint8Array.from(createHash('sha256').update(`node ${index}`).digest()) as PublicKey
  const key = { publicKey, sign: () => new Uint8Array(64) }
  const numbers = { network: TEST_NETWORK, incarnation: 1, seq: 1, signedAt: START, leaseMs: 30_000 }
  return signNodeRecord({ scheme, key }, testDescription(describedAs(index)), numbers).bytes
}

/** Takes every signature for good until it is told to look. */
export class LenientScheme implements SignatureScheme {
  isStrict = false

  sha256(bytes: Uint8Array): Uint8Array {
    return scheme.sha256(bytes)
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return !this.isStrict || scheme.verify(publicKey as PublicKey, message, signature)
  }
}
