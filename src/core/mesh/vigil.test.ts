/** What a vigil counts: looks without a sign of life, more of them the more was sent, and none while nobody waits. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../limits.ts'
import { Vigil } from './vigil.ts'

const LOOKS = LIMITS.meshSilentMs.value / LIMITS.meshLookMs.value

/** A vigil whose looks the test takes. */
function openVigil() {
  const state = {
    isAwaiting: true,
    sentBytes: 0,
    pings: 0,
    silent: 0,
    due: undefined as (() => void) | undefined,
  }
  const vigil = new Vigil({
    clock: {
      monotonic: () => 0,
      after: (_delayMs, task) => {
        state.due = task
        return {
          cancel() {
            state.due = undefined
          },
        }
      },
    },
    outbox: state,
    isAwaiting: () => state.isAwaiting,
    ping() {
      state.pings += 1
    },
    onSilent() {
      state.silent += 1
    },
  })
  const look = (times = 1): void => {
    for (let left = times; left > 0; left -= 1) {
      const task = state.due
      assert.ok(task, 'nobody looks')
      state.due = undefined
      task()
    }
  }
  return { vigil, state, look }
}

describe('a vigil', () => {
  it('ends where nothing follows its first ping, and pings no second time', () => {
    const { vigil, state, look } = openVigil()
    vigil.begin()
    look(LOOKS - 1)
    assert.deepEqual([state.pings, state.silent], [1, 0])
    look()
    assert.deepEqual([state.pings, state.silent, state.due], [1, 1, undefined])
  })

  it('goes on as long as anything comes, with a ping in each quiet time', () => {
    const { vigil, state, look } = openVigil()
    vigil.begin()
    for (let round = 0; round < 20; round += 1) {
      look(LOOKS - 1)
      vigil.heard()
      look()
    }
    assert.equal(state.silent, 0)
    assert.equal(state.pings, 20)
    look(LOOKS + 1)
    assert.equal(state.silent, 1)
  })

  it('takes a long standstill of this process for one look', () => {
    const { vigil, state, look } = openVigil()
    vigil.begin()
    // However late it comes: what came meanwhile is read only after it.
    look()
    vigil.heard()
    look(2)
    assert.deepEqual([state.silent, state.pings], [0, 2])
  })

  it('waits longer after much was sent', () => {
    const { vigil, state, look } = openVigil()
    vigil.begin()
    state.sentBytes += 8 * LIMITS.meshSlowBytes.value
    look(3)
    // An early part of it was answered; the rest is on its way still.
    vigil.heard()
    look()
    look(2 + LOOKS)
    assert.equal(state.silent, 0)
    look()
    assert.equal(state.silent, 1)
  })

  it('stops looking when nobody waits, and begins again', () => {
    const { vigil, state, look } = openVigil()
    vigil.begin()
    vigil.heard()
    state.isAwaiting = false
    look()
    look()
    assert.deepEqual([state.due, state.silent], [undefined, 0])
    state.isAwaiting = true
    vigil.begin()
    assert.equal(state.pings, 2)
    vigil.begin()
    assert.equal(state.pings, 2)
    vigil.stop()
    assert.equal(state.due, undefined)
  })
})
