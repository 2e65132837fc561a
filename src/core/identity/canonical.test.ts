/** There is one way to write a value, and nothing else is read. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { limit } from '../limits.ts'
import { type CanonicalValue, decodeCanonical, encodeCanonical } from './canonical.ts'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const decode = (encoded: Uint8Array): ReturnType<typeof decodeCanonical> =>
  decodeCanonical(encoded, { maxBytes: 100_000 })
const key = fc.oneof(fc.nat(40), fc.nat(70_000), fc.maxSafeNat())
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((each) => !each.startsWith('\ufeff'))

const { value } = fc.letrec<{ value: CanonicalValue; leaf: CanonicalValue }>((tie) => ({
  leaf: fc.oneof(
    fc.maxSafeInteger().map((each) => each + 0),
    fc.boolean(),
    text,
    fc.uint8Array({ maxLength: 300 }),
  ),
  value: fc.oneof(
    { maxDepth: 6, depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
}))

function nested(depth: number): CanonicalValue {
  return depth === 0 ? 1 : [nested(depth - 1)]
}

describe('the canonical form', () => {
  it('is read as what was written', () => {
    fc.assert(
      fc.property(value, (each) => {
        assert.deepEqual(decode(encodeCanonical(each)), { kind: 'ok', value: each })
      }),
      { numRuns: 500 },
    )
  })

  it('is the same whatever the order of keys', () => {
    const entries = fc.uniqueArray(fc.tuple(key, value), { selector: ([each]) => each, maxLength: 12 })
    fc.assert(
      fc.property(entries, fc.infiniteStream(fc.nat()), (each, chance) => {
        const shuffled = each
          .map((entry) => ({ entry, place: chance.next().value ?? 0 }))
          .sort((a, b) => a.place - b.place)
          .map(({ entry }) => entry)
        assert.deepEqual(encodeCanonical(new Map(shuffled)), encodeCanonical(new Map(each)))
      }),
    )
  })

  it('is the only form that is read: whatever is taken is written as it came', () => {
    let taken = 0
    const nearlyGood = fc
      .tuple(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
      .map(([each, edits]) => {
        const encoded = encodeCanonical(each)
        for (const [at, byte] of edits) encoded[at % encoded.length] = byte
        return encoded
      })
    fc.assert(
      fc.property(fc.oneof(nearlyGood, fc.uint8Array({ maxLength: 40 })), (encoded) => {
        const decoded = decode(encoded)
        if (decoded.kind !== 'ok') return
        taken += 1
        assert.deepEqual(encodeCanonical(decoded.value), encoded)
      }),
      { numRuns: 5_000 },
    )
    assert.ok(taken > 500)
  })

  // Encodings by hand after RFC 8949, appendix A, and what is not canonical in the others.
  const path = new URL('../../../test/vectors/identity/canonical.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly accepted: readonly { readonly hex: string; readonly diagnostic: string }[]
    readonly refused: readonly { readonly hex: string; readonly why: string }[]
  }
  for (const { hex, diagnostic } of vectors.accepted) {
    it(`reads ${hex.slice(0, 40)} as ${diagnostic.slice(0, 40)}`, () => {
      const decoded = decode(bytes(hex))
      assert.equal(decoded.kind === 'ok' ? diagnosticOf(decoded.value) : decoded.reason, diagnostic)
      if (decoded.kind === 'ok') assert.deepEqual(encodeCanonical(decoded.value), bytes(hex))
    })
  }
  for (const { hex, why } of vectors.refused) {
    it(`refuses ${hex.slice(0, 40)}: ${why}`, () => {
      assert.equal(decode(bytes(hex)).kind, 'malformed')
    })
  }

  it('has no more than eight levels', () => {
    assert.equal(decode(encodeCanonical(nested(8))).kind, 'ok')
    assert.throws(() => encodeCanonical(nested(9)), RangeError)
    assert.throws(() => encodeCanonical(nested(10)), RangeError)
    assert.deepEqual(decode(bytes(`${'81'.repeat(9)}01`)), { kind: 'malformed', reason: 'nested too deep' })
  })

  it('has no texts beyond their bound and no values beyond the caller’s', () => {
    const longest = 'é'.repeat(limit('canonicalTextBytes') / 2)
    assert.equal(decode(encodeCanonical(longest)).kind, 'ok')
    assert.throws(() => encodeCanonical(`${longest}a`), RangeError)
    assert.equal(decodeCanonical(new Uint8Array(4097), { maxBytes: 4096 }).kind, 'malformed')
  })

  it('is not made of what it cannot hold', () => {
    const impossible: readonly CanonicalValue[] = [
      0.5,
      Number.NaN,
      Infinity,
      -0,
      2 ** 53,
      -(2 ** 53),
      '\ud800',
      '\ufeffa',
    ]
    for (const each of [...impossible, new Map([[-1, 1]]), new Map([[0.5, 1]]), new Map([[2 ** 53, 1]])]) {
      assert.throws(() => encodeCanonical(each), RangeError)
      assert.throws(() => encodeCanonical([each]), RangeError)
    }
  })
})

describe('hostile bytes', () => {
  const hostile: Readonly<Record<string, Uint8Array>> = {
    'a million levels': new Uint8Array(1_000_000).fill(0x81),
    'a map of a thousand million entries': bytes('bb000000003b9aca0000'),
    'a list of 2^53 - 1 items': bytes('9b001fffffffffffff00'),
    'a text of four gigabytes': bytes('7affffffff61'),
    'a million levels of maps': new Uint8Array(1_000_000).map((_, at) => (at % 2 === 0 ? 0xa1 : 0x01)),
    'a million empty lists too many': new Uint8Array(1_000_000).fill(0x80),
  }
  for (const [what, encoded] of Object.entries(hostile)) {
    it(`are refused at once: ${what}`, () => {
      const before = process.memoryUsage().arrayBuffers
      const startedMs = performance.now()
      for (let run = 0; run < 200; run += 1) {
        assert.equal(decodeCanonical(encoded, { maxBytes: 2_000_000 }).kind, 'malformed')
      }
      assert.ok((performance.now() - startedMs) / 200 < 1, 'one takes under a millisecond')
      assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024)
    })
  }
})

/** The value in the diagnostic notation of RFC 8949 §8. */
function diagnosticOf(each: CanonicalValue): string {
  if (each instanceof Uint8Array) return `h'${Buffer.from(each).toString('hex')}'`
  if (each instanceof Map) return `{${[...each].map(([name, item]) => `${name}: ${diagnosticOf(item)}`).join(', ')}}`
  if (Array.isArray(each)) return `[${each.map(diagnosticOf).join(', ')}]`
  return JSON.stringify(each)
}
