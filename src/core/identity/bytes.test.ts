/** Bytes as text come back as they were, and only from the text that they were written as. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { base64urlOf, compareBytes, concatBytes, equalBytes, hexOf, parseBase64url, parseHex } from './bytes.ts'

const anyBytes = fc.uint8Array({ maxLength: 100 })

describe('bytes', () => {
  it('are written in hexadecimal and base64url as Node does', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        assert.equal(hexOf(bytes), Buffer.from(bytes).toString('hex'))
        assert.equal(base64urlOf(bytes), Buffer.from(bytes).toString('base64url'))
        assert.deepEqual(parseHex(hexOf(bytes)), bytes)
        assert.deepEqual(parseBase64url(base64urlOf(bytes)), bytes)
      }),
    )
  })

  it('are read from no other text', () => {
    for (const text of ['a', 'AB', '0g', ' ab', 'ab ', '0x12']) assert.equal(parseHex(text), undefined, text)
    // The last two have bits that no byte holds.
    for (const text of ['A', 'AA==', 'A+/A', 'AA A', 'AB', 'AAB']) assert.equal(parseBase64url(text), undefined, text)
  })

  it('compare and join as those of Node do', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b))
        assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0)
        assert.ok(equalBytes(a, a.slice()))
        assert.deepEqual(concatBytes(a, b), new Uint8Array(Buffer.concat([a, b])))
      }),
    )
  })
})
