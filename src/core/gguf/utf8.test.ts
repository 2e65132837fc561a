/** Tests of the UTF-8 decoder against the platform's own. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { decodeUtf8 } from './utf8.ts'

function expected(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined // the platform refuses these bytes
  }
}

describe('decodeUtf8', () => {
  it('reads any text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        assert.equal(decodeUtf8(Buffer.from(text)), text)
      }),
    )
  })

  it('accepts and refuses what the platform does', () => {
    const byte = fc.oneof(
      fc.nat(255),
      fc.constantFrom(0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x80, 0x9f, 0xa0, 0xbf),
    )
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (values) => {
        const bytes = Uint8Array.from(values)
        assert.equal(decodeUtf8(bytes), expected(bytes))
      }),
      { numRuns: 20_000 },
    )
  })

  it('reads text longer than one piece', () => {
    const text = 'é€😀'.repeat(10_000)
    assert.equal(decodeUtf8(Buffer.from(text)), text)
  })
})
