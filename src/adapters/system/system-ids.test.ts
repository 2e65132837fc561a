/** Ids have their forms, sort by age and do not repeat. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../memory/memory-clock.ts'
import { SystemIds } from './system-ids.ts'

describe('SystemIds', () => {
  it('gives request ids of the documented form', () => {
    const ids = new SystemIds({ clock: new MemoryClock() })
    for (let turn = 0; turn < 1_000; turn++) assert.match(ids.requestId(), /^req_[0-9a-hjkmnp-tv-z]{24}$/)
  })

  it('gives request ids that sort by age', async () => {
    const clock = new MemoryClock(999)
    const ids = new SystemIds({ clock })
    const given: string[] = []
    for (const pauseMs of [1, 31, 32, 1_023, 10 ** 6, 10 ** 12]) {
      given.push(ids.requestId())
      await clock.advance(pauseMs)
    }
    assert.deepEqual([...given].sort(), given)
  })

  it('does not repeat within one millisecond', () => {
    const ids = new SystemIds({ clock: new MemoryClock() })
    const given = new Set(Array.from({ length: 100_000 }, () => ids.requestId()))
    assert.equal(given.size, 100_000)
  })

  it('gives key ids and secrets of the documented forms', () => {
    const ids = new SystemIds({ clock: new MemoryClock() })
    assert.match(ids.keyId(), /^key_[0-9a-hjkmnp-tv-z]{12}$/)
    assert.match(ids.secret(32), /^[\w-]{43}$/)
    assert.notEqual(ids.secret(32), ids.secret(32))
  })

  it('gives fractions from all of [0, 1)', () => {
    const ids = new SystemIds({ clock: new MemoryClock() })
    const fractions = Array.from({ length: 10_000 }, () => ids.fraction())
    assert(fractions.every((fraction) => fraction >= 0 && fraction < 1))
    const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length
    // Sixteen standard deviations: never by chance.
    assert(Math.abs(mean - 0.5) < 0.05, String(mean))
  })
})
