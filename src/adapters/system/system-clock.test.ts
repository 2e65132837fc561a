/** The machine's time behind the Clock port. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { SystemClock } from './system-clock.ts'

describe('SystemClock', () => {
  it('tells the time of day and one that never goes back', () => {
    const clock = new SystemClock()
    assert(Math.abs(clock.now() - Date.now()) < 1_000)
    let before = clock.monotonic()
    for (let look = 0; look < 1_000; look++) {
      const now = clock.monotonic()
      assert(now >= before)
      before = now
    }
  })

  it('fires a timer once and a cancelled one never', async () => {
    const clock = new SystemClock()
    const fired: string[] = []
    await new Promise<void>((resolve) => {
      clock.after(5, () => fired.push('cancelled')).cancel()
      clock.after(1, () => fired.push('first'))
      clock.after(20, resolve)
      // Pending timers alone would let this process end.
      setTimeout(resolve, 2_000)
    })
    assert.deepEqual(fired, ['first'])
  })

  it('does not fire at once where the delay is longer than a timer can be', async () => {
    const clock = new SystemClock()
    let fired = false
    using _timer = clock.after(2 ** 40, () => {
      fired = true
    })
    await clock.sleep(10, { signal: new AbortController().signal })
    assert.equal(fired, false)
  })

  it('stops sleeping with the reason of its signal', async () => {
    const clock = new SystemClock()
    const abort = new AbortController()
    const reason = new Error('enough')
    const slept = clock.sleep(60_000, { signal: abort.signal })
    abort.abort(reason)
    await assert.rejects(slept, reason)
    await assert.rejects(clock.sleep(0, { signal: abort.signal }), reason)
  })

  it('lets the process end while a timer is pending', () => {
    const file = join(import.meta.dirname, 'system-clock.ts')
    const program = `import { SystemClock } from ${JSON.stringify(file)}; new SystemClock().after(600_000, () => {})`
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', program], { timeout: 20_000 })
  })
})
