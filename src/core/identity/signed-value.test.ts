/** A signature fits one kind, one payload and one key. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bitFlipsOf, scheme, signerNamed } from '../../../test/support/identity.ts'
import { encodeCanonical } from './canonical.ts'
import { decodeSigned, encodeSigned, hasSignatures, signedIdOf, signedMessage, signValue } from './signed-value.ts'

const key = signerNamed('one')
const payload = encodeCanonical(new Map([[0, 1]]))
const MAX = { maxBytes: 4096 }

describe('a signed value', () => {
  it('signs the kind, a zero byte and the payload', () => {
    const message = signedMessage('node-record', Uint8Array.of(0xa0))
    assert.equal(Buffer.from(message).toString('latin1'), 'heddle/node-record/v1\0\u00a0')
  })

  it('is read as it was written, whatever the payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (anything) => {
        const value = signValue('node-record', anything, [key])
        const decoded = decodeSigned(encodeSigned(value), ['node-record'], MAX)
        assert.deepEqual(decoded, { kind: 'ok', value })
        assert.ok(hasSignatures(scheme, value, [key.publicKey]))
      }),
      { numRuns: 50 },
    )
  })

  it('is refused in whichever bit it is changed', () => {
    const encoded = encodeSigned(signValue('node-record', payload, [key]))
    let tried = 0
    for (const { bit, flipped } of bitFlipsOf(encoded)) {
      tried += 1
      const decoded = decodeSigned(flipped, ['node-record', 'revocation'], MAX)
      if (decoded.kind === 'ok') assert.ok(!hasSignatures(scheme, decoded.value, [key.publicKey]), `bit ${bit}`)
    }
    assert.equal(tried, encoded.length * 8)
  })

  it('does not pass for another kind', () => {
    const value = signValue('node-record', payload, [key])
    assert.ok(!hasSignatures(scheme, { ...value, kind: 'revocation' }, [key.publicKey]))
    assert.equal(decodeSigned(encodeSigned(value), ['revocation'], MAX).kind, 'malformed')
    assert.notDeepEqual(signedIdOf(scheme, value), signedIdOf(scheme, { ...value, kind: 'revocation' }))
  })

  it('has an id that the signatures are not in', () => {
    const [one, other] = [
      signValue('node-record', payload, [key]),
      signValue('node-record', payload, [signerNamed('two')]),
    ]
    assert.notDeepEqual(one.signatures, other.signatures)
    assert.deepEqual(signedIdOf(scheme, one), signedIdOf(scheme, other))
    assert.deepEqual(signedIdOf(scheme, one), scheme.sha256(signedMessage('node-record', payload)))
  })

  it('needs every signature, each by its own key', () => {
    const keys = ['one', 'two', 'three'].map(signerNamed)
    const publicKeys = keys.map(({ publicKey }) => publicKey)
    const value = signValue('device-rotation', payload, keys)
    assert.ok(hasSignatures(scheme, value, publicKeys))
    assert.ok(!hasSignatures(scheme, value, publicKeys.toReversed()))
    assert.ok(!hasSignatures(scheme, value, publicKeys.slice(0, 2)))
    assert.ok(!hasSignatures(scheme, { ...value, signatures: value.signatures.slice(0, 2) }, publicKeys.slice(0, 2)))
    assert.throws(() => signValue('device-rotation', payload, keys.slice(0, 2)), RangeError)
    const short = encodeCanonical(['device-rotation', payload, ...value.signatures.slice(0, 2)])
    assert.equal(decodeSigned(short, ['device-rotation'], MAX).kind, 'malformed')
    const long = encodeCanonical(['device-rotation', payload, ...value.signatures, new Uint8Array(64)])
    assert.equal(decodeSigned(long, ['device-rotation'], MAX).kind, 'malformed')
  })

  it('is refused where it is something else altogether', () => {
    const signature = new Uint8Array(64)
    const others = [
      1,
      new Map(),
      [],
      ['node-record'],
      ['node-record', 1, signature],
      ['node-record', payload, 1],
      [1, payload, signature],
    ]
    for (const other of [...others, ['node-record', payload, new Uint8Array(63)], ['toString', payload, signature]]) {
      assert.equal(decodeSigned(encodeCanonical(other), ['node-record'], MAX).kind, 'malformed')
    }
    const encoded = encodeSigned(signValue('node-record', payload, [key]))
    assert.equal(decodeSigned(encoded, ['node-record'], { maxBytes: encoded.length - 1 }).kind, 'malformed')
  })
})
