/** A network is its genesis document, byte for byte. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bitFlipsOf, NOW, scheme, signerNamed } from '../../../test/support/identity.ts'
import { encodeCanonical } from '../identity/canonical.ts'
import { isDisplayName } from '../identity/field-reader.ts'
import { asUnixMs } from '../ids.ts'
import { encodeGenesis, type Genesis, networkIdOf, OPEN_NETWORK, parseNetworkId, readGenesis } from './genesis.ts'

const genesis: Genesis = {
  name: 'the workshop',
  createdAt: NOW,
  nonce: new Uint8Array(16).fill(3),
  networkKey: signerNamed('network').publicKey,
  extensions: new Map(),
}

describe('a genesis document', () => {
  it('is read as it was written, with the fields of later versions', () => {
    const any = fc.record({
      name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(isDisplayName),
      createdAt: fc.maxSafeNat().map(asUnixMs),
      nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      networkKey: fc.constantFrom(undefined, genesis.networkKey),
      extensions: fc.array(fc.tuple(fc.integer({ min: 32, max: 99 }), fc.nat())).map((entries) => new Map(entries)),
    })
    fc.assert(
      fc.property(any, (each) => {
        assert.deepEqual(readGenesis(encodeGenesis(each)), { kind: 'ok', value: { ...each } })
      }),
    )
  })

  it('is another network in whichever bit it is changed', () => {
    const bytes = encodeGenesis(genesis)
    const ids = new Set([networkIdOf(scheme, bytes)])
    let tried = 1
    for (const { flipped } of bitFlipsOf(bytes)) {
      ids.add(networkIdOf(scheme, flipped))
      tried += 1
    }
    assert.equal(ids.size, tried)
  })

  it('is refused where it makes no sense', () => {
    const fields = { 0: 1, 1: 'x', 2: 5, 3: new Uint8Array(16), 4: signerNamed('network').publicKey } as const
    const map = (change: object): Uint8Array =>
      encodeCanonical(new Map(Object.entries({ ...fields, ...change }).map(([key, value]) => [Number(key), value])))
    assert.equal(readGenesis(map({})).kind, 'ok')
    assert.equal(readGenesis(map({ 0: 2 })).kind, 'unsupported_version')
    const names = ['', ' x', 'x\n', 'a\u202eb', 'a\u200bb', 'e\u0301', 'x'.repeat(65), 'a\u0000', 7]
    for (const name of names) assert.equal(readGenesis(map({ 1: name })).kind, 'malformed', JSON.stringify(name))
    for (const change of [{ 2: -1 }, { 3: new Uint8Array(15) }, { 4: new Uint8Array(32) }, { 4: false }, { 5: 1 }]) {
      assert.equal(readGenesis(map(change)).kind, 'malformed', JSON.stringify(change))
    }
    assert.throws(() => encodeGenesis({ ...genesis, name: 'a\nb' }), RangeError)
  })

  it('of the open network is the same everywhere', () => {
    const id = networkIdOf(scheme, encodeGenesis(OPEN_NETWORK))
    assert.equal(id, parseNetworkId(id))
    assert.equal(
      Buffer.from(encodeGenesis(OPEN_NETWORK)).toString('hex'),
      `a4000101646f70656e02000350${'00'.repeat(16)}`,
    )
  })

  it('has an id of 64 digits', () => {
    assert.equal(parseNetworkId('AB'.repeat(32)), undefined)
    assert.equal(parseNetworkId('ab'.repeat(31)), undefined)
    assert.equal(parseNetworkId('ab'.repeat(32)), 'ab'.repeat(32))
  })
})
