/** What every ServiceStore promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { asUnixMs } from '../../src/core/ids.ts'
import type { ServiceStore, StoredService } from '../../src/ports/service-store.ts'

const whisper: StoredService = {
  name: 'whisper',
  instance: 'whisper',
  url: 'http://127.0.0.1:9000/v1',
  groups: ['model=large-v3', 'language=*'],
  capacity: 4,
  paths: ['/audio'],
  healthPath: '/health',
  addedAt: asUnixMs(2_000),
}
const second: StoredService = {
  ...whisper,
  instance: 'second',
  groups: [],
  paths: [],
  healthPath: undefined,
  addedAt: asUnixMs(1_000),
}

/** `open` gives an empty store each time. */
export function serviceStoreContract(name: string, open: (t: TestContext) => Promise<ServiceStore>): void {
  describe(`${name} as a ServiceStore`, () => {
    it('lists what was put, oldest first', async (t) => {
      const store = await open(t)
      await store.put(whisper)
      await store.put(second)
      assert.deepEqual(await store.list(), [second, whisper])
    })

    it('replaces an instance that is put again', async (t) => {
      const store = await open(t)
      const moved = { ...whisper, url: 'https://gpu.test', groups: ['all'] }
      await store.put(whisper)
      await store.put(moved)
      assert.deepEqual(await store.list(), [moved])
    })

    it('removes one instance, once', async (t) => {
      const store = await open(t)
      await store.put(whisper)
      await store.put(second)
      assert.equal(await store.remove('whisper', 'whisper'), true)
      assert.equal(await store.remove('whisper', 'whisper'), false)
      assert.deepEqual(await store.list(), [second])
    })
  })
}
