/** What every signer, key source and verifier must do, memory included. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type PublicKey, SIGNATURE_BYTES } from '../../src/core/identity/ed25519-rules.ts'
import type { KeySource, Verifier } from '../../src/ports/signer.ts'

const message = new TextEncoder().encode('what is signed')
/** The order of the base point (RFC 8032 §5.1), little-endian. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

export function signerContract(
  name: string,
  open: () => { readonly keys: KeySource; readonly verifier: Verifier },
): void {
  describe(`${name} as a Signer`, () => {
    const { keys, verifier } = open()

    it('makes the same key and the same signature of the same seed and message', () => {
      const seed = keys.newSeed()
      const [one, other] = [keys.signerOf(seed), keys.signerOf(seed)]
      assert.deepEqual(one.publicKey, other.publicKey)
      assert.deepEqual(one.sign(message), other.sign(message))
      assert.equal(one.sign(message).length, SIGNATURE_BYTES)
      assert.notDeepEqual(keys.signerOf(keys.newSeed()).publicKey, one.publicKey)
    })

    it('copies the seed and shows it nowhere', () => {
      const seed = keys.newSeed()
      const signer = keys.signerOf(seed)
      const before = signer.sign(message)
      const shown = `${JSON.stringify(signer)} ${Object.values(signer).map(String).join(' ')}`
      assert.ok(!shown.includes(Buffer.from(seed).toString('hex')))
      assert.ok(!shown.includes([...seed].join(',')))
      seed.fill(0)
      assert.deepEqual(signer.sign(message), before)
    })

    it('refuses a seed of another length', () => {
      assert.throws(() => keys.signerOf(new Uint8Array(31)), RangeError)
      assert.throws(() => keys.signerOf(new Uint8Array(33)), RangeError)
    })

    it('verifies what was signed, and nothing in which a bit differs', () => {
      const signer = keys.signerOf(keys.newSeed())
      const signature = signer.sign(message)
      assert.equal(verifier.verify(signer.publicKey, message, signature), true)
      for (const part of [message, signature, signer.publicKey]) {
        fc.assert(
          fc.property(fc.nat(part.length * 8 - 1), (bit) => {
            const changed = part.slice()
            changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
            const key = part === signer.publicKey ? (changed as PublicKey) : signer.publicKey
            const text = part === message ? changed : message
            const sign = part === signature ? changed : signature
            assert.equal(verifier.verify(key, text, sign), false)
          }),
          { numRuns: 50 },
        )
      }
    })

    it('refuses signatures of another length, and an S that was raised by the order of the base point', () => {
      const signer = keys.signerOf(keys.newSeed())
      const signature = signer.sign(message)
      const s = signature.subarray(32).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) + ORDER
      const raised = signature.slice()
      for (let at = 0; at < 32; at += 1) raised[32 + at] = Number((s >> BigInt(8 * at)) & 255n)
      for (const bad of [raised, signature.subarray(0, 63), Uint8Array.of(...signature, 0), new Uint8Array()]) {
        assert.equal(verifier.verify(signer.publicKey, message, bad), false)
      }
    })

    it('refuses keys that are no key, whatever they sign', () => {
      const identity = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0))
      // Under the neutral element every S = 0, R = neutral fits every message.
      const forged = Uint8Array.of(...identity, ...new Uint8Array(32))
      const keysThatAreNone = [identity, new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(31)]
      for (const key of keysThatAreNone) assert.equal(verifier.verify(key as PublicKey, message, forged), false)
    })

    it('hashes as SHA-256 does', () => {
      const hex = Buffer.from(verifier.sha256(new TextEncoder().encode('abc'))).toString('hex')
      assert.equal(hex, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    })
  })
}
