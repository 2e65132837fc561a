/** API keys: shown once, stored hashed, answered at once when known, refused as soon as revoked or expired. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryKeyStore } from '../adapters/memory/memory-key-store.ts'
import { SystemIds } from '../adapters/system/system-ids.ts'
import { asUnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { ApiKey } from '../ports/key-store.ts'
import { ApiKeys, type NewApiKey } from './api-keys.ts'

const WANTED: NewApiKey = {
  name: 'laptop',
  scopes: ['inference'],
  models: [],
  requestsPerMinute: undefined,
  tokensPerMinute: undefined,
  promptTrust: 'network',
  expiresAt: undefined,
}

/** Counts lookups, and lets a test hold one open. */
class WatchedStore extends MemoryKeyStore {
  lookups = 0
  gate: Promise<void> = Promise.resolve()

  override async findByHash(text: string): Promise<ApiKey | undefined> {
    this.lookups++
    const found = await super.findByHash(text)
    await this.gate
    return found
  }
}

function subject() {
  const clock = new MemoryClock()
  const store = new WatchedStore()
  const keys = new ApiKeys({ store, clock, ids: new SystemIds({ clock }), hash: (text) => hash('sha256', text) })
  return { clock, store, keys, verify: (secret: string) => keys.verify(secret, clock.now()) }
}

describe('ApiKeys', () => {
  it('makes a key whose secret is nowhere in the store', async () => {
    const { keys, store } = subject()
    const { key, secret } = await keys.create({ ...WANTED, models: ['qwen*'] })
    assert.match(secret, /^sk-heddle-[\w-]{43}$/)
    assert.equal(key.hash, hash('sha256', secret))
    assert.equal(key.hint, secret.slice(-4))
    assert.deepEqual(await store.list(), [key])
    assert(!JSON.stringify(await store.list()).includes(secret.slice(10, -4)))
  })

  it('knows a key, and without waiting from the second time on', async () => {
    const { keys, store, verify } = subject()
    const { key, secret } = await keys.create(WANTED)
    const lookups = store.lookups
    assert.deepEqual(await verify(secret), { kind: 'ok', key })
    const again = verify(secret)
    assert(!(again instanceof Promise))
    assert.deepEqual(again, { kind: 'ok', key })
    assert.equal(store.lookups, lookups + 1)
  })

  it('refuses what is not a key, asking the store about it seldom', async () => {
    const { clock, keys, store, verify } = subject()
    const { secret } = await keys.create(WANTED)
    const lookups = store.lookups
    for (const wrong of [`${secret}x`, secret.slice(0, -1), secret.toUpperCase(), 'sk-heddle-', 'x']) {
      assert.deepEqual(await verify(wrong), { kind: 'unknown' }, wrong)
      assert.deepEqual(await verify(wrong), { kind: 'unknown' }, wrong)
    }
    assert.equal(store.lookups, lookups + 5)
    await clock.advance(limit('unknownKeyCacheMs'))
    await verify('x')
    assert.equal(store.lookups, lookups + 6)
  })

  it('refuses a revoked key from the next request on', async () => {
    const { keys, verify } = subject()
    const { key, secret } = await keys.create(WANTED)
    await verify(secret)
    assert.equal(await keys.revoke(key.id), true)
    assert.deepEqual(await verify(secret), { kind: 'revoked' })
    assert.equal(await keys.revoke(key.id), false)
  })

  it('does not remember what it read while the key was being revoked', async () => {
    const { keys, store, verify } = subject()
    const { key, secret } = await keys.create(WANTED)
    const opening = Promise.withResolvers<void>()
    store.gate = opening.promise
    const slow = verify(secret)
    await keys.revoke(key.id)
    opening.resolve()
    await slow
    assert.deepEqual(await verify(secret), { kind: 'revoked' })
  })

  it('refuses an expired key, cached or not', async () => {
    const { clock, keys, verify } = subject()
    const { secret } = await keys.create({ ...WANTED, expiresAt: asUnixMs(clock.now() + 1_000) })
    assert.equal((await verify(secret)).kind, 'ok')
    await clock.advance(999)
    assert.equal((await verify(secret)).kind, 'ok')
    await clock.advance(1)
    assert.deepEqual(await verify(secret), { kind: 'expired' })
    await clock.advance(limit('keyCacheMs'))
    assert.deepEqual(await verify(secret), { kind: 'expired' })
  })

  it('notices within its bound a key that somebody else revoked', async () => {
    const { clock, keys, store, verify } = subject()
    const { key, secret } = await keys.create(WANTED)
    await verify(secret)
    await store.revoke(key.id, clock.now())
    await clock.advance(limit('keyCacheMs'))
    assert.deepEqual(await verify(secret), { kind: 'revoked' })
  })

  it('asks the store once however many requests come at once', async () => {
    const { keys, store, verify } = subject()
    const { secret } = await keys.create(WANTED)
    const lookups = store.lookups
    const verdicts = await Promise.all(Array.from({ length: 100 }, async () => verify(secret)))
    assert(verdicts.every(({ kind }) => kind === 'ok'))
    assert.equal(store.lookups, lookups + 1)
  })

  it('lets guesses push no good key out of memory', async () => {
    const { keys, store, verify } = subject()
    const { secret } = await keys.create(WANTED)
    await verify(secret)
    for (let guess = 0; guess < limit('unknownKeyCacheItems') + 10; guess++) await verify(`sk-heddle-guess-${guess}`)
    const lookups = store.lookups
    await verify(secret)
    assert.equal(store.lookups, lookups)
  })

  it('tries again after the store failed', async () => {
    const { keys, store, verify } = subject()
    const { secret } = await keys.create(WANTED)
    const broken = Promise.reject(new Error('disk'))
    store.gate = broken
    await assert.rejects(async () => verify(secret), /disk/)
    store.gate = Promise.resolve()
    assert.equal((await verify(secret)).kind, 'ok')
  })

  it('makes a first key, and another only when none in force can administer', async () => {
    const { clock, keys } = subject()
    const made = await keys.ensureFirst()
    assert.deepEqual(made?.key.scopes, ['inference', 'read', 'admin'])
    assert.equal(await keys.ensureFirst(), undefined)
    await keys.create(WANTED)
    await keys.create({ ...WANTED, scopes: ['admin'], expiresAt: asUnixMs(clock.now() + 10) })
    if (made) await keys.revoke(made.key.id)
    assert.equal(await keys.ensureFirst(), undefined)
    await clock.advance(10)
    assert.notEqual(await keys.ensureFirst(), undefined)
  })
})
