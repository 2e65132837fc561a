/** What a peer hands over is taken in without keeping the rest of the node waiting. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nth, START, TestDevice, testRegistry, withFlippedByte } from '../../test/support/registry-peer.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { limit } from '../core/limits.ts'
import type { SyncItem } from '../core/registry/sync-messages.ts'
import { receiveItems } from './sync-answers.ts'

const devices = Array.from({ length: 100 }, (_, number) => new TestDevice(7_000 + number))
const from = new TestDevice(7_999).peer
const items: readonly SyncItem[] = devices.map((device) => ({
  kind: 'record',
  record: device.record(1, { addresses: [] }).bytes,
  beat: undefined,
  idleMs: 0,
}))

function scope() {
  const registry = testRegistry()
  const clock = new MemoryClock(START)
  return { registry, clock, deps: { clock, registry, onOutcome: () => undefined } }
}

describe('items of a comparison', () => {
  it('are taken in some at a time, with time for other work between', async (t) => {
    const { registry, clock, deps } = scope()
    const taking = receiveItems(deps, from, items, { signal: t.signal })
    const sizes = [registry.table.size]
    for (let turn = 0; turn < 5; turn += 1) {
      await clock.advance(0)
      sizes.push(registry.table.size)
    }
    assert.equal(await taking, items.length)
    assert.equal(sizes[0], limit('syncItemsAtOnce'))
    assert.equal(registry.table.size, items.length)
  })

  it('are not read past the first that is not signed by its author', async (t) => {
    const { registry, deps } = scope()
    const bad = items.map((item, index) =>
      index === 3 && item.kind === 'record' ? { ...item, record: withFlippedByte(item.record, -5) } : item,
    )
    await assert.rejects(receiveItems(deps, from, bad, { signal: t.signal }), { code: 'invalid_request' })
    assert.equal(registry.table.size, 3)
  })

  it('are left where they are when this node stops meanwhile', async () => {
    const { registry, clock, deps } = scope()
    const stopping = new AbortController()
    const taking = receiveItems(deps, from, items, { signal: stopping.signal })
    stopping.abort(new Error('stopped'))
    await assert.rejects(taking, /stopped/)
    await clock.advance(1_000)
    assert.equal(registry.table.size, limit('syncItemsAtOnce'))
    assert.notEqual(registry.table.get(nth(devices, 0).peer), undefined)
  })
})
