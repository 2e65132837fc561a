/** Tests of the names under which others know the runtimes of a node. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asRuntimeId } from '../core/ids.ts'
import { SERVICE_NAME } from '../core/registry/record-service.ts'
import { PublicRuntimeNames } from './public-runtime-names.ts'

const names = (secret = 'a'): PublicRuntimeNames => new PublicRuntimeNames({ secret })

describe('PublicRuntimeNames', () => {
  it('keeps plain ids, and tells nothing of an address', () => {
    const public_ = names()
    assert.equal(public_.nameOf(asRuntimeId('llama')), 'llama')
    assert.equal(public_.nameOf(asRuntimeId('ollama:http://127.0.0.1:11434')), 'ollama')
    const named = public_.nameOf(asRuntimeId('openai:http://10.0.0.5:8000'))
    assert.match(named, /^openai-[0-9a-f]{6}$/)
    assert.match(public_.nameOf(asRuntimeId('weird id / with spaces')), /^runtime-[0-9a-f]{6}$/)
    assert.match(named, SERVICE_NAME)
  })

  it('leads back to the runtime, and only from names that it gave', () => {
    const public_ = names()
    const id = asRuntimeId('openai:http://10.0.0.5:8000')
    assert.equal(public_.runtimeOf(names().nameOf(id)), undefined)
    assert.equal(public_.runtimeOf(public_.nameOf(id)), id)
    assert.equal(public_.runtimeOf(id), undefined)
  })

  it('gives the same names after a restart, whatever the order, and other names to who lacks the secret', () => {
    const ids = ['openai:http://a', 'openai:http://b', 'ollama:http://c', 'llama', 'script:demo'].map(asRuntimeId)
    const [first, second, other] = [names(), names(), names('b')]
    const given = ids.map((id) => first.nameOf(id))
    assert.deepEqual(
      ids
        .toReversed()
        .map((id) => second.nameOf(id))
        .toReversed(),
      given,
    )
    assert.equal(new Set(given).size, ids.length)
    assert.notEqual(other.nameOf(asRuntimeId('openai:http://a')), given[0])
  })

  it('gives ten thousand runtimes names of their own', () => {
    const public_ = names()
    const given = Array.from({ length: 10_000 }, (_, index) =>
      public_.nameOf(asRuntimeId(`openai:http://host-${index}`)),
    )
    assert.equal(new Set(given).size, given.length)
  })
})
