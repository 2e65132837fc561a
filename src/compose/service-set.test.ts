/** Tests of the services that an operator adds: what is refused and why, and what a restart brings back. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { testInstance } from '../../test/support/service-instances.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryForwarder } from '../adapters/memory/memory-forwarder.ts'
import { MemoryServiceStore } from '../adapters/memory/memory-service-store.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { AddService } from '../core/wire/admin-services.ts'
import { LocalServices } from '../provider/local-services.ts'
import { ServiceSet } from './service-set.ts'

const calm = { signal: new AbortController().signal }

function scope(store = new MemoryServiceStore()) {
  const clock = new MemoryClock()
  const log = new RecordingLogger()
  const forwarders: MemoryForwarder[] = []
  let isUp = true
  const open = () => {
    const forwarder = new MemoryForwarder(() => Promise.reject(new Error('unused')))
    forwarder.isUp = isUp
    forwarders.push(forwarder)
    return forwarder
  }
  const services = new LocalServices({ clock, open })
  const set = new ServiceSet({ clock, log, services, store, open, plainUrl: (text) => text })
  const add = (request: object) => set.add(AddService.parse({ name: 'asr', url: 'http://10.0.0.5', ...request }), calm)
  const goDown = (): void => {
    isUp = false
  }
  return { set, add, store, services, log, goDown }
}

const named = (set: ServiceSet): readonly string[] =>
  set.list().services.map(({ name, instance }) => `${name}/${instance}`)

describe('ServiceSet', () => {
  it('says after the first check whether the service answers, and keeps it either way', async () => {
    const { add, set, goDown } = scope()
    const view = await add({ groups: ['model=a', 'model=a', 'all'] })
    assert.deepEqual([view.state, view.reason, view.groups, view.capacity], ['ready', '', ['model=a', 'all'], 64])
    goDown()
    const away = await add({ name: 'ocr' })
    assert.equal(away.state, 'unhealthy')
    assert.match(away.reason, /ECONNREFUSED/)
    assert.deepEqual(named(set), ['asr/asr', 'ocr/ocr'])
  })

  it('brings back after a restart what was added, and nothing that was removed', async () => {
    const { add, set, store } = scope()
    await add({ paths: ['/v1'], healthPath: '/health' })
    await add({ name: 'ocr' })
    await set.remove('ocr', undefined)
    const again = scope(store)
    await again.set.open({ ownUrl: '', others: () => [] })
    assert.deepEqual(named(again.set), ['asr/asr'])
    const [view] = again.set.list().services
    assert.deepEqual([view?.paths, view?.healthPath], [['/v1'], '/health'])
  })

  it('numbers instances of one name, and asks which one is meant', async () => {
    const { add, set } = scope()
    await add({})
    await add({ url: 'http://10.0.0.6' })
    assert.deepEqual(named(set), ['asr/asr', 'asr/asr-2'])
    await assert.rejects(set.remove('asr', undefined), (error: HeddleError) => {
      assert.deepEqual([error.code, error.details.fix], ['invalid_request', 'asr or asr/asr-2'])
      return true
    })
    await set.remove('asr', 'asr')
    await add({ url: 'http://10.0.0.7' })
    assert.deepEqual(named(set), ['asr/asr-2', 'asr/asr'])
    await assert.rejects(set.remove('asx', undefined), { code: 'not_found', message: /did you mean "asr"/ })
  })

  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['the name of the models', { name: 'llm' }, /runtimes/],
    ['a name that is none', { name: 'A b' }, /no service name/],
    ['an instance that is none', { instance: 'http://x' }, /no instance name/],
    ['a group without "="', { groups: ['model'] }, /no identity group/],
    ['a group without a value', { groups: ['model='] }, /no identity group/],
    ['a group whose key fits no header', { groups: ['a b=c'] }, /key/],
    ['a group that hides text', { groups: ['model=a\u202eb'] }, /cannot be shown/],
    ['a path that leaves', { paths: ['/../x'] }, /no path of a service/],
    ['a path with a query', { paths: ['/x?y'] }, /query/],
    ['a health path without a slash', { healthPath: 'health' }, /slash/],
  ]
  for (const [what, request, message] of refused) {
    it(`refuses ${what}, and keeps nothing of it`, async () => {
      const { add, set, store } = scope()
      await assert.rejects(add(request), (error: Error) => error instanceof HeddleError && message.test(error.message))
      assert.deepEqual([named(set), await store.list()], [[], []])
    })
  }

  it('refuses this node itself, by whatever name, the same service twice, and more than a record holds', async () => {
    const { add, set } = scope()
    await set.open({ ownUrl: 'http://127.0.0.1:11440', others: () => [] })
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.2', '[::1]'])
      await assert.rejects(add({ url: `http://${host}:11440/x` }), {
        code: 'invalid_request',
        message: /this node itself/,
      })
    await add({ url: 'http://127.0.0.1:11441' })
    await assert.rejects(add({ url: 'http://127.0.0.1:11441' }), { code: 'conflict' })
    for (let number = 1; number < limit('recordServices') - 1; number += 1) await add({ url: `http://h${number}` })
    await assert.rejects(add({ url: 'http://one-more' }), { code: 'conflict', message: /at most/ })
  })

  it('lists some of the services of other nodes and counts the rest', async () => {
    const { set } = scope()
    const others = Array.from({ length: limit('listedInstances') + 5 }, (_, index) =>
      testInstance({ node: `n${index}` }),
    )
    await set.open({ ownUrl: '', others: () => others })
    const { others: shown, omitted } = set.list()
    assert.deepEqual([shown.length, omitted], [limit('listedInstances'), 5])
  })

  it('starts without a service that a newer rule refuses', async () => {
    const store = new MemoryServiceStore()
    const { add } = scope(store)
    await add({})
    const again = scope(store)
    again.services.add({
      name: 'asr',
      instance: 'asr',
      url: 'x',
      groups: [],
      capacity: 1,
      paths: [],
      healthPath: undefined,
    })
    await again.set.open({ ownUrl: '', others: () => [] })
    assert.ok(again.log.records.some(({ message }) => message === 'a service was left out'))
  })
})
