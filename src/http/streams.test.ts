/** Tests of logs and pulls as streams, and of clients that leave or do not read, over real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fakeNode } from '../../test/support/fake-app-deps.ts'
import { ask, serveApp, textOf } from '../../test/support/serve-app.ts'
import { HeddleError } from '../core/errors.ts'
import type { LogLine } from '../core/wire/admin.ts'
import type { PullProgress } from '../core/wire/admin-models.ts'
import { buildApp } from './app.ts'

async function linesOf(response: IncomingMessage): Promise<Record<string, unknown>[]> {
  return (await textOf(response))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Lets the event loop turn until `condition` holds; fails rather than waits for ever. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('it never came to that')
}

const line = (msg: string, more: object = {}): LogLine => ({
  time: '2026-01-01T00:00:03.000Z',
  level: 'info',
  msg,
  ...more,
})
const PULL = {
  method: 'POST',
  path: '/api/v1/models/pull',
  headers: { 'content-type': 'application/json' },
  body: '{"ref":"https://models.test/x.gguf"}',
}

describe('GET /api/v1/logs', () => {
  it('gives the past and ends', async (t) => {
    const port = await serveApp(t, fakeNode())
    const messages = async (query: string) =>
      (await linesOf(await ask(port, { path: `/api/v1/logs?${query}` }))).map(({ msg }) => msg)
    assert.deepEqual(await messages(''), ['route planned', 'request ended', 'runtime lost'])
    assert.deepEqual(await messages('tail=1'), ['runtime lost'])
    assert.deepEqual(await messages('level=info&tail=1&component=gateway'), ['request ended'])
    assert.deepEqual(await messages('requestId=req_1'), ['route planned', 'request ended'])
  })

  it('sends headers at once, follows, and lets go when the client leaves', async (t) => {
    const node = fakeNode()
    const port = await serveApp(t, node)
    const response = await ask(port, { path: '/api/v1/logs?follow=true&tail=0&level=info' })
    assert.equal(response.headers['content-type'], 'application/x-ndjson; charset=utf-8')
    assert.match(String(response.headers['x-request-id']), /^req_/)
    await until(() => node.listeners.size === 1)
    const lines = createInterface({ input: response })[Symbol.asyncIterator]()
    for (const listener of node.listeners) {
      listener(line('hidden', { level: 'debug' }))
      listener(line('shown', { requestId: 'req_2' }))
    }
    const first = await lines.next()
    assert.deepEqual(JSON.parse(String(first.value)), line('shown', { requestId: 'req_2' }))
    response.destroy()
    await until(() => node.listeners.size === 0)
  })

  it('tells a slow reader what it missed and cuts one that reads nothing', async (t) => {
    const node = fakeNode()
    const port = await serveApp(t, node)
    const response = await ask(port, { path: '/api/v1/logs?follow=true&tail=0' })
    response.pause()
    await until(() => node.listeners.size === 1)
    const bulk = 'x'.repeat(8_192)
    const waits = (): number => node.clock.pending
    const log = (count: number): void => {
      for (let index = 0; index < count; index += 1)
        for (const listener of node.listeners) listener(line('bulk', { bulk }))
    }
    // Until the sockets' buffers are full and the server waits for the reader.
    for (let round = 0; round < 200 && waits() === 0; round += 1) {
      log(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(waits(), 1, 'the server waits for the reader, with a limit')
    log(2_500)
    const lines = createInterface({ input: response })
    const skipped = await new Promise<Record<string, unknown>>((resolve) => {
      lines.on('line', (text) => {
        const record = JSON.parse(text) as Record<string, unknown>
        if (record['msg'] === 'lines skipped') resolve(record)
      })
    })
    assert.ok(Number(skipped['skipped']) >= 1_000)
    await until(() => waits() === 0)
    lines.close()
    response.pause()
    for (let round = 0; round < 200 && waits() === 0; round += 1) {
      log(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const followers = (): number => node.listeners.size
    await node.clock.advance(29_000)
    assert.equal(followers(), 1)
    await node.clock.advance(1_000)
    await until(() => followers() === 0)
  })
})

describe('POST /api/v1/models/pull', () => {
  it('answers with a line of progress each', async (t) => {
    const port = await serveApp(t, fakeNode())
    const response = await ask(port, PULL)
    assert.equal(response.statusCode, 200)
    assert.deepEqual(await linesOf(response), [
      { status: 'pulling', total: 10, completed: 4 },
      { status: 'done', model: 'tiny' },
    ])
  })

  it('answers with a status what fails before it begins', async (t) => {
    const node = fakeNode()
    node.pull = failing([], new HeddleError('storage_full', 'there is no room for it'))
    const port = await serveApp(t, node)
    const response = await ask(port, PULL)
    assert.equal(response.statusCode, 507)
    assert.equal((JSON.parse(await textOf(response)) as { error: { code: string } }).error.code, 'storage_full')
  })

  it('answers with a last line what fails in the middle', async (t) => {
    const node = fakeNode()
    const port = await serveApp(t, node)
    node.pull = failing(
      [{ status: 'pulling' }],
      new HeddleError('digest_mismatch', 'the file is not what it should be', { fix: 'pull it again' }),
    )
    const lines = await linesOf(await ask(port, PULL))
    assert.deepEqual(lines[1], {
      status: 'failed',
      error: {
        message: 'the file is not what it should be',
        type: 'invalid_request_error',
        param: null,
        code: 'digest_mismatch',
        metadata: { fix: 'pull it again' },
      },
    })
    node.pull = failing([{ status: 'pulling' }], new Error('secret'))
    assert.doesNotMatch(await textOf(await ask(port, PULL)), /secret/)
    assert.deepEqual(
      node.logged.map(({ level }) => level),
      ['error'],
    )
  })

  it('stops the download when the client leaves', async (t) => {
    const node = fakeNode()
    const stopped = Promise.withResolvers<unknown>()
    let cleaned = false
    node.pull = async function* (signal) {
      try {
        yield { status: 'pulling', total: 10, completed: 1 }
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        )
      } finally {
        cleaned = true
        stopped.resolve(signal.reason)
      }
    }
    const port = await serveApp(t, node)
    const response = await ask(port, PULL)
    await once(response, 'data')
    response.destroy()
    const reason = await stopped.promise
    assert.ok(reason instanceof HeddleError && reason.code === 'client_closed')
    assert.ok(cleaned)
    assert.deepEqual(node.logged, [])
  })

  it('ends with the node, and says so', async (t) => {
    const node = fakeNode()
    node.pull = async function* (signal) {
      yield { status: 'pulling' }
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    }
    const app = buildApp(node.deps)
    const port = await serveApp(t, node, app)
    const pull = await ask(port, PULL)
    const logs = await ask(port, { path: '/api/v1/logs?follow=true&tail=1' })
    await until(() => node.listeners.size === 1)
    await app.close()
    assert.deepEqual(
      (await linesOf(logs)).map(({ msg }) => msg),
      ['runtime lost'],
    )
    const last = (await linesOf(pull)).at(-1) as PullProgress
    assert.deepEqual([last.status, last.error?.code], ['failed', 'draining'])
    assert.equal(node.listeners.size, 0)
  })

  it('stops a download that has not begun yet', async (t) => {
    const node = fakeNode()
    const stopped = Promise.withResolvers<void>()
    const started = Promise.withResolvers<void>()
    node.pull = async function* (signal): AsyncGenerator<PullProgress> {
      started.resolve()
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      stopped.resolve()
      yield { status: 'done' }
    }
    const port = await serveApp(t, node)
    const outgoing = request({
      host: '127.0.0.1',
      port,
      ...PULL,
      headers: { ...PULL.headers, authorization: 'Bearer admin' },
      agent: false,
    })
    outgoing.on('error', () => undefined)
    outgoing.end(PULL.body)
    await started.promise
    outgoing.destroy()
    await stopped.promise
  })
})

function failing(progress: readonly PullProgress[], error: Error): () => AsyncIterable<PullProgress> {
  return async function* () {
    yield* progress
    throw error
  }
}
