/** Ed25519 of Node keeps the contract and decides the known edge cases as written down. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { signerContract } from '../../../test/contracts/signer.contract.ts'
import { type PublicKey, parsePublicKey } from '../../core/identity/ed25519-rules.ts'
import { limit } from '../../core/limits.ts'
import { Ed25519Signer, Ed25519Verifier, ed25519Keys, privateKeyOf, seedOf } from './ed25519-signer.ts'

interface EdgeCase {
  readonly what: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
  readonly accepted: boolean
}

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const path = new URL('../../../test/vectors/identity/ed25519.json', import.meta.url)
const cases = JSON.parse(readFileSync(path, 'utf8')) as readonly EdgeCase[]

signerContract('ed25519Keys and Ed25519Verifier', () => ({ keys: ed25519Keys, verifier: new Ed25519Verifier() }))

describe('Ed25519Verifier', () => {
  // Made with another implementation; keys and signatures of the kinds that libraries are known to disagree on (ePrint 2020/1244).
  for (const [index, { what, publicKey, message, signature, accepted }] of cases.entries()) {
    it(`${accepted ? 'accepts' : 'refuses'} edge case ${index}: ${what}`, () => {
      const verdict = new Ed25519Verifier().verify(bytes(publicKey) as PublicKey, bytes(message), bytes(signature))
      assert.equal(verdict, accepted)
    })
  }

  it('has edge cases of both verdicts', () => {
    assert.ok(cases.filter(({ accepted }) => accepted).length >= 4)
    assert.ok(cases.filter(({ accepted }) => !accepted).length >= 15)
  })

  it('is false for a key that is no point of the curve', () => {
    const signature = ed25519Keys.signerOf(ed25519Keys.newSeed()).sign(new Uint8Array(1))
    let offCurve = 0
    for (let first = 2; first < 40; first += 1) {
      const key = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? first : 0))
      assert.ok(parsePublicKey(key), 'only the curve itself tells that it is no point')
      offCurve += Number(!new Ed25519Verifier().verify(key as PublicKey, new Uint8Array(1), signature))
    }
    assert.equal(offCurve, 38)
  })

  it('answers alike when it has to forget keys', () => {
    const verifier = new Ed25519Verifier()
    const signer = ed25519Keys.signerOf(ed25519Keys.newSeed())
    const signature = signer.sign(new Uint8Array(3))
    assert.equal(verifier.verify(signer.publicKey, new Uint8Array(3), signature), true)
    for (let count = 0; count <= limit('verifierKeys'); count += 1) {
      const key = signer.publicKey.slice()
      new DataView(key.buffer).setUint32(4, count)
      verifier.verify(key as PublicKey, new Uint8Array(3), signature.subarray(0, 64))
    }
    assert.equal(verifier.verify(signer.publicKey, new Uint8Array(3), signature), true)
  })
})

describe('keys as objects and as seeds', () => {
  it('are the same key', () => {
    const seed = ed25519Keys.newSeed()
    assert.deepEqual(seedOf(privateKeyOf(seed)), seed)
    assert.deepEqual(new Ed25519Signer(privateKeyOf(seed)).publicKey, ed25519Keys.signerOf(seed).publicKey)
  })

  it('refuse another algorithm', () => {
    assert.throws(() => new Ed25519Signer(generateKeyPairSync('x25519').privateKey))
    assert.throws(() => new Ed25519Signer(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey))
  })
})
