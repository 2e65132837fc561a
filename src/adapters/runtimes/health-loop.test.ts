/** The health loop by itself: how often it looks, and what it says while it waits. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { type Checked, HealthLoop } from './health-loop.ts'

const GOOD: Checked = { offers: [], facts: { version: '1' } }

function loopWith(check: () => Promise<Checked>) {
  const clock = new MemoryClock()
  return { clock, loop: new HealthLoop({ clock, check }, { capacity: 3 }) }
}

describe('HealthLoop', () => {
  it('tries to register once a second 6,000 times, then is unhealthy and looks every ten seconds, for good', async () => {
    let checks = 0
    let isUp = false
    const { clock, loop } = loopWith(async () => {
      checks += 1
      if (!isUp) throw new HeddleError('runtime_unavailable', 'nobody there')
      return GOOD
    })
    using _loop = loop
    loop.start()
    await clock.advance((limit('registrationRetries') - 2) * 1000)
    assert.equal(loop.snapshot().state, 'starting')
    assert.equal(loop.snapshot().tries, limit('registrationRetries') - 1)
    await clock.advance(1000)
    assert.equal(loop.snapshot().state, 'unhealthy')
    assert.equal(loop.snapshot().reason, 'nobody there')
    assert.equal(checks, limit('registrationRetries'))
    await clock.advance(30_000)
    assert.equal(checks, limit('registrationRetries') + 3)
    isUp = true
    await clock.advance(10_000)
    assert.equal(loop.snapshot().state, 'ready')
    assert.equal(loop.snapshot().tries, 0)
  })

  it('does not look twice at once, however long a check takes', async () => {
    let running = 0
    let most = 0
    const waiting: (() => void)[] = []
    const { clock, loop } = loopWith(async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => waiting.push(resolve))
      running -= 1
      return GOOD
    })
    using _loop = loop
    loop.start()
    loop.start()
    waiting.shift()?.()
    await clock.advance(limit('healthIntervalMs'))
    for (let asked = 0; asked < 5; asked += 1) loop.suspect()
    await clock.advance(60_000)
    assert.equal(most, 1)
  })

  it('looks again at most once a second however many requests fail', async () => {
    let checks = 0
    const { clock, loop } = loopWith(async () => {
      checks += 1
      return GOOD
    })
    using _loop = loop
    loop.start()
    await clock.advance(0)
    for (let ms = 0; ms < 5_000; ms += 100) {
      for (let failed = 0; failed < 10; failed += 1) loop.suspect()
      await clock.advance(100)
    }
    assert.equal(checks, 6)
  })

  it('keeps control characters of a reason away from terminals, and its length bounded', async () => {
    const { clock, loop } = loopWith(async () => {
      throw new Error(`\u001b[31mred\n${'x'.repeat(10_000)}`)
    })
    using _loop = loop
    loop.start()
    await clock.advance(0)
    assert.match(loop.snapshot().reason, /^ \[31mred x+$/)
    assert.ok(loop.snapshot().reason.length <= 300)
  })

  it('says once that it was stopped, and stays so', async () => {
    const { clock, loop } = loopWith(async () => GOOD)
    const states: string[] = []
    const stopListening = loop.onChange(() => states.push(loop.snapshot().state))
    loop.start()
    await clock.advance(0)
    loop[Symbol.dispose]()
    loop[Symbol.dispose]()
    loop.start()
    await clock.advance(60_000)
    stopListening()
    assert.deepEqual(states, ['ready', 'stopped'])
    assert.equal(clock.pending, 0)
  })
})
