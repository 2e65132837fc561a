/** Tests of what a node serves its peers: only what its record tells of, and nothing about itself besides (T21). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bodyText, chatRequest, codeOf, ServingNode } from '../../test/support/serving-node.ts'
import { settled } from '../../test/support/settled.ts'
import type { Serve, ServiceCall } from '../adapters/memory/memory-forwarder.ts'
import { bodyOf } from '../core/byte-channel.ts'
import { HeddleError } from '../core/errors.ts'
import { asRuntimeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'

const INNER = '10.0.0.5'

function recording(seen: ServiceCall[], text = 'ok'): Serve {
  return async (call) => {
    seen.push(call)
    return { status: 200, headers: {}, body: bodyOf(Buffer.from(text)) }
  }
}

describe('servePeer and services', () => {
  it('serves a service of this node, streamed both ways', async () => {
    await using node = new ServingNode()
    await node.addService(
      async ({ body, path }) => ({
        status: 201,
        headers: { 'x-path': path },
        body: (async function* () {
          for await (const chunk of body) yield Buffer.from(Buffer.from(chunk).toString().toUpperCase())
        })(),
      }),
      { name: 'echo' },
    )
    const body = (async function* () {
      yield Buffer.from('a')
      yield Buffer.from('b')
    })()
    const answer = await node.ask({ service: 'echo', method: 'PUT', path: '/x?y=1', body })
    assert.deepEqual([answer.status, answer.headers['x-path'], await bodyText(answer.body)], [201, '/x?y=1', 'AB'])
  })

  it('answers 404 for what its record does not tell of', async () => {
    await using node = new ServingNode()
    await node.addService(recording([]), { name: 'echo' })
    for (const service of ['admin', 'metrics', 'Echo', 'echo/', '', '..'])
      assert.equal(await codeOf(await node.ask({ service })), 'not_found', service)
  })

  const traversals = [
    '/v1/../admin',
    '/%2e%2e/admin',
    '/%252e%252e/admin',
    '//evil.test/x',
    '/v1/_service/llm/..;/admin',
    'http://evil.test/',
    '/a\\..\\b',
    '/a%0d%0ahost:x',
  ]
  for (const path of traversals) {
    it(`lets ${path} reach nothing`, async () => {
      await using node = new ServingNode()
      const seen: ServiceCall[] = []
      await node.addService(recording(seen), { name: 'echo' })
      const answer = await node.ask({ service: 'echo', path })
      assert.deepEqual([answer.status, await codeOf(answer)], [400, 'invalid_request'])
      assert.equal(seen.length, 0)
    })
  }

  it('lets no method through that opens a tunnel, and no request that has been through another node', async () => {
    await using node = new ServingNode()
    const seen: ServiceCall[] = []
    await node.addService(recording(seen), { name: 'echo' })
    for (const method of ['CONNECT', 'TRACE', 'get', 'PROPFIND'])
      assert.equal((await node.ask({ service: 'echo', method })).status, 405, method)
    for (const hops of ['2', '-1', 'x', '1e0', '0001'])
      assert.equal((await node.ask({ service: 'echo', headers: { 'heddle-hops': hops } })).status, 400, hops)
    assert.equal(seen.length, 0)
    assert.equal((await node.ask({ service: 'echo', headers: { 'heddle-hops': '1' } })).status, 200)
  })

  it('keeps the headers of the mesh and of other people from the service', async () => {
    await using node = new ServingNode()
    const seen: ServiceCall[] = []
    await node.addService(recording(seen), { name: 'echo' })
    const headers = {
      'heddle-hops': '1',
      'heddle-runtime': 'echo',
      authorization: 'Bearer x',
      'x-forwarded-host': 'h',
      a: 'b',
    }
    await node.ask({ service: 'echo', headers })
    assert.deepEqual(seen[0]?.headers, { a: 'b' })
  })

  it('takes the instance that was named, else the least busy that is ready', async () => {
    await using node = new ServingNode()
    await node.addService(recording([], 'one'), { name: 'echo', instance: 'one' })
    await node.addService(recording([], 'two'), { name: 'echo', instance: 'two' })
    const ask = async (runtime?: string) => {
      const headers = runtime === undefined ? {} : { 'heddle-runtime': runtime }
      return node.ask({ service: 'echo', headers })
    }
    assert.equal(await bodyText((await ask('two')).body), 'two')
    const holding = await ask('one')
    assert.equal(await bodyText((await ask()).body), 'two')
    assert.equal(await bodyText((await ask('any')).body), 'two')
    assert.equal(await bodyText(holding.body), 'one')
    await assert.rejects(ask('three'), { code: 'runtime_unavailable' })
  })

  it('says that a service is away without its address, and counts requests of peers', async () => {
    await using node = new ServingNode()
    await node.addService(() => Promise.reject(new Error(`connect ${INNER}`)), { name: 'echo' })
    const tells = (error: unknown): boolean => {
      assert.ok(error instanceof HeddleError)
      assert.ok(!error.message.includes(INNER), error.message)
      return error.code === 'upstream_failed'
    }
    await assert.rejects(node.ask({ service: 'echo' }), tells)
    const [forwarder] = node.forwarders.values()
    if (forwarder !== undefined) forwarder.isUp = false
    await node.clock.advance(limit('registrationIntervalMs') * limit('healthFailures'))
    await settled()
    await assert.rejects(node.ask({ service: 'echo' }), {
      code: 'runtime_unavailable',
      message: 'the service is not available at its node',
    })
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 0)
  })

  it('stops at the service when the peer leaves', async () => {
    await using node = new ServingNode()
    await node.addService(() => new Promise(() => undefined), { name: 'echo' })
    const leaving = new AbortController()
    const asked = node.ask({ service: 'echo' }, leaving.signal)
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 1)
    leaving.abort(new Error('the peer left'))
    await assert.rejects(asked, { message: 'the peer left' })
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 0)
  })
})

describe('servePeer and models', () => {
  it('answers inference with the runtime that was named, by its public name only', async () => {
    await using node = new ServingNode()
    const id = `openai:http://${INNER}:8000`
    node.addRuntime(id, { model: 'qwen' })
    const name = node.names.nameOf(asRuntimeId(id))
    const named = (runtime: string) => ({
      ...chatRequest('qwen'),
      headers: { 'content-type': 'application/json', 'heddle-runtime': runtime, 'heddle-hops': '1' },
    })
    const answer = await node.ask(named(name))
    assert.equal(answer.status, 200)
    assert.match(await bodyText(answer.body), /"choices"/)
    await assert.rejects(node.ask(named(id)), { code: 'runtime_unavailable' })
    await assert.rejects(node.ask(named('llama')), { code: 'runtime_unavailable' })
  })

  it('finds the runtime of the model where none was named, also of a body that arrives in pieces', async () => {
    await using node = new ServingNode()
    node.addRuntime('one', { model: 'a' })
    node.addRuntime('two', { model: 'b' })
    const { body, ...rest } = chatRequest('b')
    const bytes = body as Uint8Array
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
    })()
    const answer = await node.ask({ ...rest, body: pieces })
    assert.match(await bodyText(answer.body), /"model":"b"/)
    assert.equal(await codeOf(await node.ask(chatRequest('c'))), 'model_not_found')
  })

  it('counts requests of peers in the load of the runtime', async () => {
    await using node = new ServingNode()
    node.addRuntime('one', { model: 'a', capacity: 2 })
    const answer = await node.ask(chatRequest('a', { stream: true }))
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 1)
    const reading = bodyText(answer.body)
    for (let turns = 0; turns < 200; turns += 1) await node.clock.advance(100)
    await reading
    assert.equal(node.node.nodeServices()[0]?.load.inFlight, 0)
  })

  it('says that no runtime is ready, without the reason', async () => {
    await using node = new ServingNode()
    const runtime = node.addRuntime('one', { model: 'a' })
    await runtime[Symbol.asyncDispose]()
    await assert.rejects(node.ask(chatRequest('a')), { code: 'runtime_unavailable' })
  })

  it('checks a peer’s body as it would a client’s', async () => {
    await using node = new ServingNode()
    node.addRuntime('one', { model: 'a' })
    const bad: readonly (readonly [Uint8Array | undefined, string])[] = [
      [Buffer.from('{'), 'malformed_json'],
      [undefined, 'malformed_json'],
      [Buffer.from([0xff, 0xfe]), 'malformed_json'],
      [Buffer.from('{}'), 'invalid_request'],
      [Buffer.from(`{"model":"a","messages":[],"x":${'['.repeat(100)}${']'.repeat(100)}}`), 'invalid_request'],
      [Buffer.from('{"model":"a","messages":"x"}'), 'invalid_request'],
    ]
    for (const [body, code] of bad) {
      const answer = await node.ask({ ...chatRequest('a'), body })
      assert.deepEqual([answer.status, await codeOf(answer)], [400, code])
    }
  })

  it('takes no body beyond the limit', async () => {
    await using node = new ServingNode()
    node.addRuntime('one', { model: 'a' })
    let given = 0
    const endless = (async function* () {
      for (;;) {
        given += 1
        yield Buffer.alloc(1024 * 1024, 0x20)
      }
    })()
    const answer = await node.ask({ ...chatRequest('a'), body: endless })
    assert.equal(await codeOf(answer), 'payload_too_large')
    assert.ok(given <= limit('imageBodyBytes') / 1024 / 1024 + 1)
  })

  it('answers GET /v1/models with its own models, and nothing else of the runtimes’ APIs', async () => {
    await using node = new ServingNode()
    node.addRuntime('one', { model: 'a' })
    node.addRuntime('two', { model: 'org/b' })
    const list = JSON.parse(await bodyText((await node.ask({ path: '/v1/models' })).body)) as { data: { id: string }[] }
    assert.deepEqual(
      list.data.map(({ id }) => id),
      ['a', 'org/b'],
    )
    assert.match(await bodyText((await node.ask({ path: '/v1/models/org%2Fb' })).body), /"org\/b"/)
    assert.equal(await codeOf(await node.ask({ path: '/v1/models/c' })), 'model_not_found')
    for (const [method, path] of [
      ['GET', '/api/tags'],
      ['DELETE', '/v1/models/a'],
      ['POST', '/api/pull'],
      ['GET', '/metrics'],
      ['POST', '/api/v1/shutdown'],
      ['GET', '/'],
    ])
      assert.equal(await codeOf(await node.ask({ method: method ?? '', path: path ?? '' })), 'not_found', path)
  })
})
