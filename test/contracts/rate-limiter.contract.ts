/** What every RateLimiter promises. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RateLimiter } from '../../src/ports/rate-limiter.ts'

export interface RateLimiterScope extends Disposable {
  readonly limiter: RateLimiter
  /** Lets time pass for the limiter. */
  readonly advance: (ms: number) => void
}

/** `open` gives an unused limiter each time. */
export function rateLimiterContract(name: string, open: () => RateLimiterScope): void {
  describe(`${name} as a RateLimiter`, () => {
    it('gives out no more than the limit and then says when the window ends', async () => {
      using scope = open()
      for (const remaining of [2, 1, 0]) {
        const verdict = await scope.limiter.consume('a', 3, 1)
        assert.deepEqual([verdict.allowed, verdict.limit, verdict.remaining], [true, 3, remaining])
      }
      scope.advance(10_000)
      assert.deepEqual(await scope.limiter.consume('a', 3, 1), {
        allowed: false,
        limit: 3,
        remaining: 0,
        resetMs: 50_000,
      })
    })

    it('gives points back when the window ends', async () => {
      using scope = open()
      await scope.limiter.consume('a', 1, 1)
      assert.equal((await scope.limiter.consume('a', 1, 1)).allowed, false)
      scope.advance(60_000)
      assert.equal((await scope.limiter.consume('a', 1, 1)).allowed, true)
    })

    it('takes nothing where too few are left', async () => {
      using scope = open()
      await scope.limiter.consume('a', 10, 8)
      assert.equal((await scope.limiter.consume('a', 10, 3)).allowed, false)
      assert.equal((await scope.limiter.peek('a', 10)).remaining, 2)
      assert.equal((await scope.limiter.consume('a', 10, 2)).allowed, true)
    })

    it('is exact however many ask at once', async () => {
      using scope = open()
      const asked = Array.from({ length: 50 }, (_, index) => scope.limiter.consume('a', 20, index % 2 === 0 ? 3 : 1))
      const verdicts = await Promise.all(asked)
      const taken = verdicts.map(({ allowed }, index) => (allowed ? (index % 2 === 0 ? 3 : 1) : 0))
      assert.equal(
        taken.reduce<number>((sum, points) => sum + points, 0),
        20,
      )
    })

    it('charges whatever is left and refuses until the window ends', async () => {
      using scope = open()
      await scope.limiter.charge('a', 100, 90)
      assert.deepEqual((await scope.limiter.peek('a', 100)).allowed, true)
      const verdict = await scope.limiter.charge('a', 100, 500)
      assert.deepEqual([verdict.allowed, verdict.remaining], [false, 0])
      assert.equal((await scope.limiter.peek('a', 100)).allowed, false)
      scope.advance(60_000)
      assert.deepEqual(await scope.limiter.peek('a', 100), { allowed: true, limit: 100, remaining: 100, resetMs: 0 })
    })

    it('looks without taking', async () => {
      using scope = open()
      for (let look = 0; look < 5; look++) await scope.limiter.peek('a', 1)
      assert.equal((await scope.limiter.consume('a', 1, 1)).allowed, true)
    })

    it('counts subjects apart', async () => {
      using scope = open()
      await scope.limiter.consume('a', 1, 1)
      assert.equal((await scope.limiter.consume('b', 1, 1)).allowed, true)
    })
  })
}
