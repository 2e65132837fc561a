/** Tests of stop strings. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { StopStrings } from './stop-strings.ts'

function shown(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
  const watch = new StopStrings(stops)
  let text = ''
  for (const piece of pieces) {
    const verdict = watch.push(piece)
    text += verdict.text
    if (verdict.stopped) return { text, stopped: true }
  }
  return { text: text + watch.flush(), stopped: false }
}

describe('StopStrings', () => {
  it('holds back what may be the beginning of a stop string, and no more', () => {
    const watch = new StopStrings(['END'])
    assert.deepEqual(watch.push('one EN'), { text: 'one ', stopped: false })
    assert.deepEqual(watch.push('Emy E'), { text: 'ENEmy ', stopped: false })
    assert.deepEqual(watch.push('ND two'), { text: '', stopped: true })
  })

  it('shows everything at once where nothing is watched for', () => {
    assert.deepEqual(new StopStrings(['']).push('text'), { text: 'text', stopped: false })
  })

  it('cuts at the first of several', () => {
    assert.deepEqual(shown(['b', 'ab'], ['xab']), { text: 'x', stopped: true })
  })

  it('shows exactly the text before the first stop string, however the text is cut into pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 })
    const stop = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 12 }),
        fc.array(stop, { minLength: 1, maxLength: 4 }),
        (pieces, stops) => {
          const text = pieces.join('')
          const { text: before, stopped } = shown(stops, pieces)
          assert.ok(text.startsWith(before))
          const found = stops.some((item) => text.includes(item))
          assert.equal(stopped, found)
          assert.ok(!stops.some((item) => before.includes(item)))
          if (!found) assert.equal(before, text)
          else assert.ok(stops.some((item) => text.startsWith(item, before.length)))
        },
      ),
    )
  })
})
