/** Bursts and rates are kept, and memory is bounded. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asMonotonicMs } from '../core/ids.ts'
import { TokenBuckets } from './token-buckets.ts'

describe('token buckets', () => {
  it('give a burst at once and then so many a second', () => {
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3, most: 10 })
    const taken = (ms: number) => [1, 2, 3, 4, 5].filter(() => buckets.take('a', asMonotonicMs(ms))).length
    assert.deepEqual([taken(0), taken(500), taken(1_000), taken(60_000)], [3, 1, 1, 3])
    assert.equal(buckets.waitMs('a', asMonotonicMs(60_000)), 500)
    assert.equal(buckets.waitMs('b', asMonotonicMs(60_000)), 0)
  })

  it('keep names apart and forget those that were quiet for longest', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, most: 100 })
    for (let name = 0; name < 1_000; name += 1) assert.equal(buckets.take(`${name}`, asMonotonicMs(0)), true)
    assert.equal(buckets.size, 100)
    assert.equal(buckets.take('999', asMonotonicMs(0)), false)
    assert.equal(buckets.take('1', asMonotonicMs(0)), true)
  })
})
