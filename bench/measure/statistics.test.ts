/** Tests of medians, percentiles and the interleaving of rounds. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { interleave, medianOf, medianRow, percentileOf } from './statistics.ts'

describe('medianOf', () => {
  it('takes the middle of an odd number, whatever the order', () => assert.equal(medianOf([9, 1, 5]), 5))
  it('takes the mean of the two middle ones of an even number', () => assert.equal(medianOf([4, 1, 2, 100]), 3))
  it('compares as numbers, not as text', () => assert.equal(medianOf([10, 9, 100]), 10))
  it('refuses an empty list', () => assert.throws(() => medianOf([])))
})

describe('percentileOf', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  it('is the nearest rank', () => {
    assert.equal(percentileOf(hundred, 0.5), 50)
    assert.equal(percentileOf(hundred, 0.99), 99)
    assert.equal(percentileOf(hundred, 1), 100)
    assert.equal(percentileOf([7], 0.99), 7)
  })
})

describe('medianRow', () => {
  it('takes the median field by field', () => {
    assert.deepEqual(
      medianRow([
        { a: 1, b: 30 },
        { a: 3, b: 10 },
        { a: 2, b: 20 },
      ]),
      { a: 2, b: 20 },
    )
  })
})

describe('interleave', () => {
  it('turns the order round each round and throws the first away', async (t) => {
    const seen: string[] = []
    const rows = await interleave(['a', 'b'], async (name, round) => seen.push(`${name}${round}`), {
      rounds: 2,
      signal: t.signal,
    })
    assert.deepEqual(seen, ['a0', 'b0', 'b1', 'a1', 'a2', 'b2'])
    assert.deepEqual(rows.get('a'), [4, 5])
    assert.deepEqual(rows.get('b'), [3, 6])
  })

  it('stops between two measurements when it is aborted', async () => {
    const abort = new AbortController()
    let calls = 0
    const run = interleave(
      ['a', 'b'],
      async () => {
        calls += 1
        abort.abort(new Error('enough'))
      },
      { rounds: 3, signal: abort.signal },
    )
    await assert.rejects(run, /enough/)
    assert.equal(calls, 1)
  })
})
