/** The rate limiter in memory keeps its port's promises, and its memory is bounded. */
import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { type RateLimiterScope, rateLimiterContract } from '../../../test/contracts/rate-limiter.contract.ts'
import { limit } from '../../core/limits.ts'
import { MemoryRateLimiter } from './memory-rate-limiter.ts'

function open(): RateLimiterScope & { readonly limiter: MemoryRateLimiter } {
  // The package reads the machine's time itself.
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_767_225_600_000 })
  return {
    limiter: new MemoryRateLimiter(),
    advance: (ms) => mock.timers.tick(ms),
    [Symbol.dispose]: () => mock.timers.reset(),
  }
}

rateLimiterContract('MemoryRateLimiter', open)

describe('MemoryRateLimiter', () => {
  it('forgets the subject counted first when there are too many', async () => {
    using scope = open()
    const { limiter } = scope
    await limiter.consume('first', 5, 5)
    await limiter.consume('second', 5, 5)
    for (let subject = 0; subject < limit('rateSubjects') - 1; subject++) await limiter.consume(`s${subject}`, 5, 1)
    assert.equal((await limiter.peek('first', 5)).remaining, 5)
    assert.equal((await limiter.peek('second', 5)).remaining, 0)
  })

  it('keeps no more limits than its bound, dropping the one least used', async () => {
    using scope = open()
    const { limiter } = scope
    await limiter.consume('a', 1, 1)
    await limiter.consume('a', 2, 2)
    for (let points = 3; points <= limit('rateLimiters'); points++) await limiter.consume('a', points, 1)
    await limiter.consume('b', 1, 1)
    await limiter.consume('a', 5_000, 1)
    assert.equal((await limiter.peek('a', 1)).remaining, 0)
    assert.equal((await limiter.peek('a', 2)).remaining, 2)
  })
})
