/** What every store of statements must do. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { StatementStore } from '../../src/ports/statement-store.ts'

const statement = (byte: number): Uint8Array => new Uint8Array(200).fill(byte)

/** @param open gives what opens one and the same store, each time it is called */
export function statementStoreContract(name: string, open: (t: TestContext) => Promise<() => StatementStore>): void {
  describe(`${name} as a StatementStore`, () => {
    it('holds nothing at first', async (t) => {
      assert.deepEqual(await (await open(t))().read(), [])
    })

    it('reads what was appended, in order, also when opened again', async (t) => {
      const again = await open(t)
      await again().append([statement(1), statement(2)])
      await again().append([])
      await again().append([statement(3)])
      assert.deepEqual(await again().read(), [statement(1), statement(2), statement(3)])
    })

    it('loses nothing when appends overlap', async (t) => {
      const store = (await open(t))()
      await Promise.all([1, 2, 3, 4, 5].map((byte) => store.append([statement(byte)])))
      const read = await store.read()
      assert.deepEqual(new Set(read.map((each) => each[0])), new Set([1, 2, 3, 4, 5]))
      assert.equal(read.length, 5)
    })

    it('replaces everything', async (t) => {
      const again = await open(t)
      await again().append([statement(1), statement(2)])
      await again().replace([statement(2)])
      assert.deepEqual(await again().read(), [statement(2)])
      await again().append([statement(4)])
      assert.deepEqual(await again().read(), [statement(2), statement(4)])
      await again().replace([])
      assert.deepEqual(await again().read(), [])
      await again().append([statement(5)])
      assert.deepEqual(await again().read(), [statement(5)])
    })
  })
}
