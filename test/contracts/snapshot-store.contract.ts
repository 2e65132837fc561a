/** What every SnapshotStore promises. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../src/core/errors.ts'
import { limit } from '../../src/core/limits.ts'
import type { SnapshotStore } from '../../src/ports/snapshot-store.ts'

/** `open` gives an unused store; `reopen` another for the same bytes. */
export function snapshotStoreContract(
  name: string,
  open: () => { readonly store: SnapshotStore; readonly reopen: () => SnapshotStore },
): void {
  describe(`${name} as a SnapshotStore`, () => {
    it('has nothing at first', async (t) => {
      assert.equal(await open().store.load(t), undefined)
    })

    it('gives back what was saved last, whole', async (t) => {
      const { store, reopen } = open()
      await store.save(Uint8Array.of(1, 2, 3), t)
      await store.save(Uint8Array.of(4), t)
      assert.deepEqual(await reopen().load(t), Uint8Array.of(4))
    })

    it('keeps the bytes of before when a save is broken off or refused', async (t) => {
      const { store, reopen } = open()
      await store.save(Uint8Array.of(1), t)
      await assert.rejects(store.save(new Uint8Array(1_000_000), { signal: AbortSignal.abort(new Error('stopped')) }))
      await assert.rejects(
        store.save(new Uint8Array(limit('registryFileBytes') + 1), t),
        (error) => error instanceof HeddleError && error.code === 'payload_too_large',
      )
      assert.deepEqual(await reopen().load(t), Uint8Array.of(1))
    })
  })
}
