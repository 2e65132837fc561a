/** Tests of the HTTP services of a node: how they are watched, what is counted, and what others are told. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bodyText, requestTo, ServingNode } from '../../test/support/serving-node.ts'
import { settled } from '../../test/support/settled.ts'
import type { Serve } from '../adapters/memory/memory-forwarder.ts'
import { bodyOf } from '../core/byte-channel.ts'
import { asRuntimeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MessageResponse } from '../core/message.ts'

const fine: Serve = async () => ({ status: 200, headers: {}, body: bodyOf(Buffer.from('fine')) })
const calm = { signal: new AbortController().signal }
const echo = { runtime: asRuntimeId('echo') }
const askEcho = requestTo({ service: 'echo' })

describe('LocalServices', () => {
  it('offers a service once it answers, and says why while it does not', async () => {
    await using node = new ServingNode()
    await node.addService(fine, { name: 'echo' })
    const service = node.services.get('echo', 'echo')
    assert.deepEqual([service?.snapshot.state, service?.snapshot.reason], ['ready', ''])
    const [forwarder] = node.forwarders.values()
    assert.ok(forwarder)
    forwarder.isUp = false
    for (let failures = 0; failures < limit('healthFailures'); failures += 1) {
      assert.equal(service?.snapshot.state, 'ready')
      await node.clock.advance(failures === 0 ? limit('healthIntervalMs') : limit('registrationIntervalMs'))
      await settled()
    }
    assert.equal(service?.snapshot.state, 'unhealthy')
    assert.match(service.snapshot.reason, /nobody answers/)
    await assert.rejects(node.services.send(echo, askEcho, calm), { code: 'runtime_unavailable' })
    forwarder.isUp = true
    await node.clock.advance(limit('registrationIntervalMs'))
    await settled()
    assert.equal(service.snapshot.state, 'ready')
  })

  it('looks soon after a request has failed', async () => {
    await using node = new ServingNode()
    await node.addService(() => Promise.reject(new Error('broken')), { name: 'echo' })
    await assert.rejects(node.services.send(echo, askEcho, calm), { code: 'upstream_failed' })
    const [forwarder] = node.forwarders.values()
    if (forwarder !== undefined) forwarder.isUp = false
    await node.clock.advance(limit('registrationIntervalMs') * limit('healthFailures'))
    await settled()
    assert.equal(node.services.get('echo', 'echo')?.snapshot.state, 'unhealthy')
  })

  it('counts what is in flight until the answer is over, left or refused', async () => {
    await using node = new ServingNode()
    const heard: string[] = []
    const stop = node.node.onChange((what) => heard.push(what))
    await node.addService(fine, { name: 'echo' })
    assert.deepEqual(new Set(heard.splice(0)), new Set(['description']))
    const load = () => node.node.nodeServices()[0]?.load.inFlight
    const read = await node.services.send(echo, askEcho, calm)
    const left = await node.services.send(echo, askEcho, calm)
    assert.equal(load(), 2)
    await bodyText(read.body)
    assert.equal(load(), 1)
    for await (const _ of left.body) break
    assert.equal(load(), 0)
    assert.deepEqual(heard, ['load', 'load', 'load', 'load'])
    stop()
    await bodyText((await node.services.send(echo, askEcho, calm)).body)
    assert.equal(heard.length, 4)
  })

  it('counts requests beyond the capacity as queued', async () => {
    await using node = new ServingNode()
    await node.addService(() => new Promise<MessageResponse>(() => undefined), { name: 'echo', capacity: 2 })
    const leaving = new AbortController()
    const asked = [1, 2, 3].map(() => node.services.send(echo, askEcho, leaving))
    assert.deepEqual(node.node.nodeServices()[0]?.load, { inFlight: 3, queued: 1, inputRate: 0, outputRate: 0 })
    leaving.abort(new Error('left'))
    await Promise.allSettled(asked)
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 0)
  })

  it('serves only the paths that its operator named', async () => {
    await using node = new ServingNode()
    await node.addService(fine, { name: 'echo', paths: ['/v1'] })
    await assert.rejects(node.services.send(echo, requestTo({ service: 'echo', path: '/admin' }), calm), {
      code: 'not_found',
    })
    assert.equal((await node.services.send(echo, requestTo({ service: 'echo', path: '/v1/x' }), calm)).status, 200)
  })

  it('refuses a second of the same name and instance, and forgets one that is removed', async () => {
    await using node = new ServingNode()
    await node.addService(fine, { name: 'echo' })
    await assert.rejects(node.addService(fine, { name: 'echo' }), { code: 'conflict' })
    await node.addService(fine, { name: 'echo', instance: 'second' })
    assert.deepEqual(
      node.node.instancesOf('echo').map(({ runtime }) => runtime),
      ['echo', 'second'],
    )
    assert.equal(await node.services.remove('echo', 'second'), true)
    assert.equal(await node.services.remove('echo', 'second'), false)
    assert.equal(node.node.allInstances().length, 1)
  })
})

describe('NodeServices', () => {
  it('tells others of runtimes and services without an address', async () => {
    await using node = new ServingNode()
    node.addRuntime('openai:http://10.0.0.5:8000', { model: 'qwen', capacity: 3 })
    await node.addService(fine, { name: 'echo', groups: ['model=large', 'all'] })
    const told = node.node.nodeServices()
    assert.ok(!JSON.stringify(told).includes('10.0.0.5'))
    assert.deepEqual(
      told.map(({ name, groups, state, capacity }) => [name, groups, state, capacity]),
      [
        ['llm', [], 'ready', 3],
        ['echo', ['model=large', 'all'], 'ready', 4],
      ],
    )
    assert.deepEqual(
      told[0]?.offers.map(({ id }) => id),
      ['qwen'],
    )
  })

  it('finds instances by service, group and node', async () => {
    await using node = new ServingNode()
    node.addRuntime('llama', { model: 'qwen' })
    await node.addService(fine, { name: 'echo', groups: ['model=large'] })
    assert.deepEqual(
      node.node.instancesInGroup('llm', 'model=qwen').map(({ runtime }) => runtime),
      ['llama'],
    )
    assert.deepEqual(node.node.instancesInGroup('echo', 'model=qwen'), [])
    assert.equal(node.node.instancesAt(node.id).length, 2)
    assert.deepEqual(node.node.instancesAt(asRuntimeId('other') as never), [])
  })

  it('tells when a runtime comes, goes, changes or works', async () => {
    await using node = new ServingNode()
    const heard: string[] = []
    node.node.onChange((what) => heard.push(what))
    node.addRuntime('llama', { model: 'qwen' })
    assert.ok(heard.splice(0).every((what) => what === 'description'))
    const { body } = chat()
    const answer = await node.connector.send(
      { node: node.id, connector: 'local', runtime: asRuntimeId('llama') },
      requestTo({ method: 'POST', path: '/v1/chat/completions', body }),
      calm,
    )
    assert.ok(heard.splice(0).includes('load'))
    await bodyText(answer.body)
    await node.provider.remove(asRuntimeId('llama'))
    assert.ok(heard.includes('description'))
    assert.deepEqual(node.node.nodeServices(), [])
  })
})

function chat(): { readonly body: Uint8Array } {
  return { body: Buffer.from(JSON.stringify({ model: 'qwen', messages: [{ role: 'user', content: 'x' }] })) }
}
