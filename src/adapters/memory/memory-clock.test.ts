/** Virtual time moves as told and not otherwise. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from './memory-clock.ts'

describe('MemoryClock', () => {
  it('runs timers in the order in which they fall due, each at its time', async () => {
    const clock = new MemoryClock(1_000)
    const seen: string[] = []
    clock.after(20, () => seen.push(`b at ${clock.now()}`))
    clock.after(10, () => seen.push(`a at ${clock.now()}`))
    clock.after(20, () => seen.push('c after b'))
    await clock.advance(19)
    assert.deepEqual(seen, ['a at 1010'])
    await clock.advance(1)
    assert.deepEqual(seen, ['a at 1010', 'b at 1020', 'c after b'])
    assert.deepEqual([clock.now(), clock.monotonic(), clock.pending], [1_020, 20, 0])
  })

  it('runs timers that timers start when these fall due too', async () => {
    const clock = new MemoryClock()
    const at: number[] = []
    const again = (): void => {
      at.push(clock.monotonic())
      clock.after(10, again)
    }
    clock.after(10, again)
    await clock.advance(35)
    assert.deepEqual(at, [10, 20, 30])
  })

  it('never fires a cancelled timer', async () => {
    const clock = new MemoryClock()
    let fired = 0
    const timer = clock.after(10, () => fired++)
    timer.cancel()
    timer.cancel()
    {
      using _disposed = clock.after(10, () => fired++)
    }
    await clock.advance(100)
    assert.equal(fired, 0)
  })

  it('lets a sleeper go on, or reject with the reason of its signal', async () => {
    const clock = new MemoryClock()
    const abort = new AbortController()
    const slept = clock.sleep(50, { signal: abort.signal })
    await clock.advance(50)
    await slept
    const cut = clock.sleep(50, { signal: abort.signal })
    const reason = new Error('enough')
    abort.abort(reason)
    await assert.rejects(cut, reason)
    await assert.rejects(clock.sleep(1, { signal: abort.signal }), reason)
    assert.equal(clock.pending, 0)
  })
})
