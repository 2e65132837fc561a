/** What every KeyStore promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { HeddleError } from '../../src/core/errors.ts'
import { asKeyId, asUnixMs } from '../../src/core/ids.ts'
import type { ApiKey, KeyStore } from '../../src/ports/key-store.ts'

/** A key that differs from others in id and hash. */
export function sampleKey(name: string, changes: Partial<ApiKey> = {}): ApiKey {
  return {
    id: asKeyId(`key_${name}`),
    name,
    hash: Buffer.from(name).toString('hex').padEnd(64, '0'),
    hint: 'abcd',
    scopes: ['inference', 'read'],
    models: ['qwen3:8b', 'org/*'],
    requestsPerMinute: 60,
    tokensPerMinute: 100_000,
    promptTrust: 'self',
    createdAt: asUnixMs(1_767_225_600_000),
    expiresAt: asUnixMs(1_767_312_000_000),
    revokedAt: undefined,
    ...changes,
  }
}

const isConflict = (error: unknown): boolean => error instanceof HeddleError && error.code === 'conflict'

/** `open` gives an empty store each time; it disposes what it opened after the test. */
export function keyStoreContract(name: string, open: (t: TestContext) => Promise<KeyStore>): void {
  describe(`${name} as a KeyStore`, () => {
    it('gives a key back as it was inserted, with and without its optional parts', async (t) => {
      const store = await open(t)
      const full = sampleKey('full')
      const bare = sampleKey('bare', {
        scopes: ['admin'],
        models: [],
        requestsPerMinute: undefined,
        tokensPerMinute: undefined,
        expiresAt: undefined,
      })
      await store.insert(full)
      await store.insert(bare)
      assert.deepEqual(await store.findByHash(full.hash), full)
      assert.deepEqual(await store.findByHash(bare.hash), bare)
    })

    it('finds nothing under an unknown hash', async (t) => {
      const store = await open(t)
      await store.insert(sampleKey('a'))
      assert.equal(await store.findByHash('f'.repeat(64)), undefined)
    })

    it('takes neither an id nor a hash twice', async (t) => {
      const store = await open(t)
      const key = sampleKey('a')
      await store.insert(key)
      await assert.rejects(store.insert({ ...key, hash: 'e'.repeat(64) }), isConflict)
      await assert.rejects(store.insert({ ...key, id: asKeyId('key_b') }), isConflict)
      assert.deepEqual(await store.list(), [key])
    })

    it('lists keys oldest first', async (t) => {
      const store = await open(t)
      const keys = [30, 10, 20].map((at) => sampleKey(`k${at}`, { createdAt: asUnixMs(at) }))
      for (const key of keys) await store.insert(key)
      const listed = await store.list()
      assert.deepEqual(
        listed.map(({ name }) => name),
        ['k10', 'k20', 'k30'],
      )
    })

    it('revokes a key once and shows it from then on', async (t) => {
      const store = await open(t)
      const key = sampleKey('a')
      const other = sampleKey('b')
      await store.insert(key)
      await store.insert(other)
      assert.equal(await store.revoke(key.id, asUnixMs(5)), true)
      assert.equal(await store.revoke(key.id, asUnixMs(6)), false)
      assert.equal(await store.revoke(asKeyId('key_none'), asUnixMs(7)), false)
      assert.deepEqual(await store.findByHash(key.hash), { ...key, revokedAt: 5 })
      assert.deepEqual(await store.findByHash(other.hash), other)
    })
  })
}
