/** The fit finds a law that is there, and says how far off it is where there is none. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { leastSquares } from './least-squares.ts'

describe('least squares', () => {
  it('finds the coefficients of an exact law', () => {
    const sizes = [100, 300, 1_000, 3_000, 10_000]
    const points = sizes.map((size) => {
      const xs = [1, Math.min(size, 500), size]
      return { xs, y: 7 + 0.5 * Math.min(size, 500) + 0.02 * size }
    })
    const { coefficients, worstError } = leastSquares(points)
    for (const [index, expected] of [7, 0.5, 0.02].entries())
      assert.ok(Math.abs((coefficients[index] ?? 0) - expected) < 1e-6)
    assert.ok(worstError < 1e-9)
  })

  it('tells how far the worst point is off', () => {
    const points = [1, 2, 3, 4].map((x) => ({ xs: [x], y: x === 4 ? 8 : x }))
    const { worstError } = leastSquares(points)
    assert.ok(worstError > 0.2 && worstError < 0.6, `${worstError}`)
  })

  it('refuses what fixes nothing', () => {
    assert.throws(() => leastSquares([{ xs: [1, 2], y: 1 }]), RangeError)
    assert.throws(() => leastSquares([]), RangeError)
    const same = [1, 2, 3].map((x) => ({ xs: [x, 2 * x], y: x }))
    assert.throws(() => leastSquares(same), RangeError)
  })
})
