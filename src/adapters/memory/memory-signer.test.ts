/** Signatures of simulations keep the contract of real ones. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signerContract } from '../../../test/contracts/signer.contract.ts'
import { MemoryKeySource, MemoryVerifier } from './memory-signer.ts'

signerContract('MemoryKeySource and MemoryVerifier', () => ({
  keys: new MemoryKeySource('contract'),
  verifier: new MemoryVerifier(),
}))

describe('MemoryKeySource', () => {
  it('gives the same seeds to the same name, and others to another', () => {
    const seeds = (name: string): readonly Uint8Array[] => {
      const source = new MemoryKeySource(name)
      return [source.newSeed(), source.newSeed()]
    }
    assert.deepEqual(seeds('a'), seeds('a'))
    assert.notDeepEqual(seeds('a'), seeds('b'))
    assert.notDeepEqual(seeds('a')[0], seeds('a')[1])
  })
})
