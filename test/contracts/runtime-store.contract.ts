/** What every RuntimeStore promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { asRuntimeId, asUnixMs } from '../../src/core/ids.ts'
import type { RuntimeStore, SeenModel, StoredRuntime } from '../../src/ports/runtime-store.ts'

const vllm: StoredRuntime = {
  id: asRuntimeId('openai:http://127.0.0.1:8000'),
  spec: 'openai:http://127.0.0.1:8000',
  keyFile: '/run/secrets/vllm',
  addedAt: asUnixMs(2_000),
}
const ollama: StoredRuntime = {
  id: asRuntimeId('ollama'),
  spec: 'ollama:http://127.0.0.1:11434',
  keyFile: undefined,
  addedAt: asUnixMs(1_000),
}

function seen(id: string, runtime: string, at: number): SeenModel {
  return { id, runtime, lastSeenAt: asUnixMs(at) }
}

/** `open` gives an empty store each time. */
export function runtimeStoreContract(name: string, open: (t: TestContext) => Promise<RuntimeStore>): void {
  describe(`${name} as a RuntimeStore`, () => {
    it('lists what was put, oldest first', async (t) => {
      const store = await open(t)
      await store.put(vllm)
      await store.put(ollama)
      assert.deepEqual(await store.list(), [ollama, vllm])
    })

    it('replaces a runtime that is put again', async (t) => {
      const store = await open(t)
      const moved = { ...vllm, spec: 'openai:http://127.0.0.1:9000', keyFile: undefined }
      await store.put(vllm)
      await store.put(moved)
      assert.deepEqual(await store.list(), [moved])
    })

    it('removes a runtime once', async (t) => {
      const store = await open(t)
      await store.put(vllm)
      await store.put(ollama)
      assert.equal(await store.remove(vllm.id), true)
      assert.equal(await store.remove(vllm.id), false)
      assert.deepEqual(await store.list(), [ollama])
    })

    it('remembers when each model was seen last on each runtime', async (t) => {
      const store = await open(t)
      await store.sawModels([seen('b', 'x', 1), seen('a', 'x', 1), seen('a', 'y', 1)])
      await store.sawModels([seen('a', 'x', 2), seen('a', 'x', 3)])
      await store.sawModels([])
      assert.deepEqual(await store.seenModels(), [seen('a', 'x', 3), seen('a', 'y', 1), seen('b', 'x', 1)])
    })

    it('remembers more models than one statement takes', async (t) => {
      const store = await open(t)
      const many = Array.from({ length: 1_700 }, (_, index) => seen(`model-${index}`, 'x', index))
      await store.sawModels(many)
      assert.equal((await store.seenModels()).length, many.length)
    })
  })
}
