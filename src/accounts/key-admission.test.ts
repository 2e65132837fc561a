/** Admission: the right key passes at once, the wrong one is told why, and nobody asks too often. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryKeyStore } from '../adapters/memory/memory-key-store.ts'
import { SystemIds } from '../adapters/system/system-ids.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { Admitted, Caller } from '../ports/admission.ts'
import type { Scope } from '../ports/key-store.ts'
import type { RateLimiter, RateVerdict } from '../ports/rate-limiter.ts'
import { ApiKeys, type NewApiKey } from './api-keys.ts'
import { KeyAdmission } from './key-admission.ts'
import { RateLimits } from './rate-limits.ts'

/** Counts for ever: windows are the limiter's own business and tested there. */
class CountingLimiter implements RateLimiter {
  readonly used = new Map<string, number>()

  consume(subject: string, most: number, points: number): Promise<RateVerdict> {
    const used = this.used.get(subject) ?? 0
    const allowed = used + points <= most
    if (allowed) this.used.set(subject, used + points)
    return Promise.resolve(this.#verdict(subject, most, allowed))
  }

  charge(subject: string, most: number, points: number): Promise<RateVerdict> {
    this.used.set(subject, (this.used.get(subject) ?? 0) + points)
    return this.peek(subject, most)
  }

  peek(subject: string, most: number): Promise<RateVerdict> {
    return Promise.resolve(this.#verdict(subject, most, (this.used.get(subject) ?? 0) < most))
  }

  #verdict(subject: string, most: number, allowed: boolean): RateVerdict {
    return { allowed, limit: most, remaining: Math.max(0, most - (this.used.get(subject) ?? 0)), resetMs: 42_500 }
  }
}

const ALL: NewApiKey = {
  name: 'all',
  scopes: ['inference', 'read', 'admin'],
  models: [],
  requestsPerMinute: undefined,
  tokensPerMinute: undefined,
  promptTrust: 'network',
  expiresAt: undefined,
}

function subject({ anonymousScopes = [], perAddress }: { anonymousScopes?: Scope[]; perAddress?: number } = {}) {
  const clock = new MemoryClock()
  const log = new RecordingLogger()
  const limiter = new CountingLimiter()
  const store = new MemoryKeyStore()
  const keys = new ApiKeys({ store, clock, ids: new SystemIds({ clock }), hash: (text) => hash('sha256', text) })
  const limits = new RateLimits({ limiter }, perAddress)
  const admission = new KeyAdmission({ keys, limits, clock, log }, { anonymousScopes })
  const admit = async (caller: Partial<Caller>, scope: Scope = 'inference'): Promise<Admitted> =>
    await admission.admit({ authorization: undefined, apiKey: undefined, remoteAddress: '127.0.0.1', ...caller }, scope)
  return { admission, admit, keys, limiter, log, clock }
}

async function refusal(admitting: Promise<unknown>): Promise<HeddleError> {
  const error: unknown = await admitting.then(
    () => assert.fail('admitted'),
    (thrown: unknown) => thrown,
  )
  assert(error instanceof HeddleError, inspect(error))
  return error
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

describe('KeyAdmission', () => {
  it('admits a key in any of the usual headers', async () => {
    const { admit, keys } = subject()
    const { key, secret } = await keys.create(ALL)
    const forms = [
      bearer(secret),
      { authorization: `bearer  ${secret} ` },
      { apiKey: secret },
      { apiKey: ` ${secret}` },
    ]
    for (const form of forms) assert.equal((await admit(form)).keyId, key.id, inspect(form))
    assert.equal((await admit({ authorization: 'Basic abc', apiKey: secret })).keyId, key.id)
  })

  it('answers a known key without limits at once, and with the same object', async () => {
    const { admission, admit, keys, limiter } = subject()
    const { secret } = await keys.create(ALL)
    const caller = { ...bearer(secret), apiKey: undefined, remoteAddress: '127.0.0.1' }
    await admit(caller)
    const first = admission.admit(caller, 'inference')
    assert(!(first instanceof Promise))
    assert.equal(admission.admit(caller, 'inference'), first)
    assert.deepEqual(first.headers, [])
    assert.equal(limiter.used.size, 0)
  })

  it('refuses a request without a key, and says how to send one', async () => {
    const { admit } = subject()
    for (const form of [{}, { authorization: 'Basic abc' }, { apiKey: '' }, bearer('x'.repeat(600)), bearer('a b')]) {
      const error = await refusal(admit(form))
      assert.equal(error.code, 'invalid_api_key')
      assert.match(error.message, /authorization: Bearer/)
    }
  })

  it('lets requests without a key do what the operator opened', async () => {
    const { admit } = subject({ anonymousScopes: ['inference'] })
    assert.equal((await admit({})).keyId, undefined)
    assert.equal((await admit({})).allowsModel('anything'), true)
    assert.equal((await refusal(admit({}, 'admin'))).code, 'invalid_api_key')
    assert.equal((await refusal(admit(bearer('sk-heddle-wrong')))).code, 'invalid_api_key')
  })

  it('never repeats a secret in what it throws or logs', async () => {
    const { admit, log, keys } = subject()
    const { key, secret } = await keys.create({ ...ALL, scopes: ['inference'] })
    const errors = [
      await refusal(admit(bearer(secret), 'admin')),
      await refusal(admit(bearer('sk-heddle-wrong-canary'))),
    ]
    await keys.revoke(key.id)
    errors.push(await refusal(admit(bearer(secret))))
    const told = inspect([errors, log.records], { depth: 20 })
    assert(!told.includes(secret) && !told.includes('canary'), told)
  })

  it('keeps a key to its scopes; admin reads too', async () => {
    const { admit, keys } = subject()
    const inference = await keys.create({ ...ALL, scopes: ['inference'] })
    const admin = await keys.create({ ...ALL, scopes: ['admin'] })
    assert.equal((await refusal(admit(bearer(inference.secret), 'read'))).code, 'insufficient_scope')
    assert.equal((await refusal(admit(bearer(admin.secret), 'inference'))).code, 'insufficient_scope')
    assert.equal((await admit(bearer(admin.secret), 'read')).keyId, admin.key.id)
  })

  it('keeps a key to its models', async () => {
    const { admit, keys } = subject()
    const { secret } = await keys.create({ ...ALL, models: ['qwen3:8b', 'org/*'] })
    const admitted = await admit(bearer(secret))
    const allowed = ['qwen3:8b', 'org/', 'org/name:7b', 'qwen3', 'qwen3:8b-x', 'orgs/name', ''].map((model) =>
      admitted.allowsModel(model),
    )
    assert.deepEqual(allowed, [true, true, true, false, false, false, false])
  })

  it('counts a key’s requests and tells what is left', async () => {
    const { admit, keys } = subject()
    const { secret } = await keys.create({ ...ALL, requestsPerMinute: 2 })
    const told = 'x-ratelimit-limit-requests 2 x-ratelimit-remaining-requests 1 x-ratelimit-reset-requests 43s'
    assert.equal((await admit(bearer(secret))).headers.join(' '), told)
    await admit(bearer(secret))
    const error = await refusal(admit(bearer(secret)))
    assert.equal(error.code, 'rate_limit_exceeded')
    assert.equal(error.details.retryAfterMs, 42_500)
    assert.deepEqual(error.details.headers?.slice(2, 4), ['x-ratelimit-remaining-requests', '0'])
  })

  it('charges tokens after the answer and refuses when the minute’s are used up', async () => {
    const { admit, keys } = subject()
    const { secret } = await keys.create({ ...ALL, tokensPerMinute: 100 })
    const first = await admit(bearer(secret))
    const told = 'x-ratelimit-limit-tokens 100 x-ratelimit-remaining-tokens 100 x-ratelimit-reset-tokens 43s'
    assert.equal(first.headers.join(' '), told)
    first.charge(99)
    const second = await admit(bearer(secret))
    assert.equal(second.headers[3], '1')
    second.charge(5_000)
    assert.equal((await refusal(admit(bearer(secret)))).details.metadata?.['limited'], 'tokens')
  })

  it('takes no request from a key that has no tokens left', async () => {
    const { admit, keys, limiter } = subject()
    const { key, secret } = await keys.create({ ...ALL, requestsPerMinute: 10, tokensPerMinute: 10 })
    ;(await admit(bearer(secret))).charge(10)
    await refusal(admit(bearer(secret)))
    assert.equal(limiter.used.get(`requests ${key.id}`), 1)
  })

  it('counts addresses other than loopback, IPv6 by its /64', async () => {
    const { admit, keys, limiter } = subject({ perAddress: 2 })
    const { secret } = await keys.create(ALL)
    const from = (remoteAddress: string) => admit({ ...bearer(secret), remoteAddress })
    for (let request = 0; request < 5; request++) {
      for (const own of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) await from(own)
    }
    assert.equal(limiter.used.size, 0)
    await from('2001:db8:0:1::1')
    await from('2001:0DB8::0001:aaaa:bbbb:cccc:dddd')
    assert.equal((await refusal(from('2001:db8:0:1:ffff::2'))).code, 'rate_limit_exceeded')
    await from('2001:db8:0:2::1')
    await from('::ffff:192.0.2.1')
    await from('192.0.2.1')
    assert.equal((await refusal(from('192.0.2.1'))).code, 'rate_limit_exceeded')
  })

  it('stops an address that guesses, but nobody there who has a key', async () => {
    const { admit, keys } = subject()
    const known = await keys.create(ALL)
    const fresh = await keys.create(ALL)
    await admit(bearer(known.secret))
    for (let guess = 0; guess < limit('wrongKeysPerMinute'); guess++) {
      assert.equal((await refusal(admit(bearer(`sk-heddle-${guess}`)))).code, 'invalid_api_key')
    }
    const error = await refusal(admit(bearer('sk-heddle-one-more')))
    assert.deepEqual([error.code, error.details.metadata?.['limited']], ['rate_limit_exceeded', 'wrong_keys'])
    assert.equal((await admit(bearer(fresh.secret))).keyId, fresh.key.id)
    assert.equal((await admit(bearer(known.secret))).keyId, known.key.id)
  })

  it('tells revoked and expired keys from unknown ones', async () => {
    const { admit, keys, clock } = subject()
    const revoked = await keys.create(ALL)
    const expired = await keys.create({ ...ALL, expiresAt: clock.now() })
    await keys.revoke(revoked.key.id)
    assert.match((await refusal(admit(bearer(revoked.secret)))).message, /revoked/)
    assert.match((await refusal(admit(bearer(expired.secret)))).message, /expired/)
  })
})
