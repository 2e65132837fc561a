/** Events on their way to a server that stands for Axiom's ingest API. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { RecordingLogger } from '../../../test/support/recording-logger.ts'
import { listenOnLoopback, readBody, sendJson } from '../../../test/support/runtime-server.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { asNodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { OcfEvent } from '../../core/wire/ocf-event.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { AxiomEvents } from './axiom-events.ts'

const TOKEN = 'xaat-secret-token'
const FORWARD: OcfEvent = {
  event: 'Service Forward',
  from: asNodeId('me'),
  to: asNodeId('peer'),
  path: '/v1/chat/completions',
  service: 'llm',
}

interface Ingest {
  readonly requests: {
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly events: unknown[]
  }[]
  answer: (response: ServerResponse) => void
}

async function startIngest(t: TestContext): Promise<{ readonly url: string; readonly ingest: Ingest }> {
  const ingest: Ingest = {
    requests: [],
    answer: (response) => sendJson(response, 200, { ingested: 1, failed: 0, failures: [] }),
  }
  const server = await listenOnLoopback((request, response) => {
    void readBody(request).then((body) => {
      const events = JSON.parse(body.toString()) as unknown[]
      ingest.requests.push({ path: `${request.method} ${request.url}`, headers: request.headers, events })
      ingest.answer(response)
    })
  })
  t.after(() => server[Symbol.asyncDispose]())
  return { url: server.url, ingest }
}

function start(t: TestContext, url: string) {
  const clock = new MemoryClock()
  const dropped: number[] = []
  const logged = new RecordingLogger()
  const events = new AxiomEvents(
    { clock, log: logged, metrics: { eventsDropped: (count) => dropped.push(count) } },
    { url, dataset: 'ocf events', token: TOKEN },
  )
  t.after(() => events[Symbol.asyncDispose]())
  return { clock, dropped, events, logged, droppedInAll: () => dropped.reduce((sum, count) => sum + count, 0) }
}

describe('AxiomEvents', () => {
  it('sends a batch of JSON with the token, each event with the time at which it happened', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { clock, events } = start(t, url)
    const first = new Date(clock.now()).toISOString()
    events.record({ event: 'DNT Lookup' })
    await clock.advance(500)
    const second = new Date(clock.now()).toISOString()
    events.record(FORWARD)
    assert.equal(ingest.requests.length, 0)
    await clock.advance(limit('analyticsFlushMs') - 500)
    await waitUntil(() => ingest.requests.length === 1, 'a batch')
    const [request] = ingest.requests
    assert.equal(request?.path, 'POST /v1/datasets/ocf%20events/ingest')
    assert.equal(request?.headers.authorization, `Bearer ${TOKEN}`)
    assert.equal(request?.headers['content-type'], 'application/json')
    assert.deepEqual(request?.events, [
      { _time: first, event: 'DNT Lookup' },
      { _time: second, event: 'Service Forward', from: 'me', to: 'peer', path: '/v1/chat/completions', service: 'llm' },
    ])
  })

  it('sends a full batch at once and the rest after it', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { clock, events } = start(t, url)
    for (let count = 0; count < limit('analyticsBatchItems') + 1; count += 1) events.record(FORWARD)
    await waitUntil(() => ingest.requests.length === 1, 'a batch')
    assert.equal(ingest.requests[0]?.events.length, limit('analyticsBatchItems'))
    await waitUntil(() => clock.pending > 0, 'a timer')
    await waitUntil(async () => {
      await clock.advance(limit('analyticsFlushMs'))
      return ingest.requests.length === 2
    }, 'the rest')
    assert.equal(ingest.requests[1]?.events.length, 1)
  })

  it('keeps what could not be sent, tries again ever more seldom, and complains once', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { clock, events, logged, droppedInAll } = start(t, url)
    ingest.answer = (response) => void response.writeHead(503).end()
    events.record(FORWARD)
    await waitUntil(async () => {
      await clock.advance(limit('analyticsRetryMaxMs'))
      return ingest.requests.length >= 3
    }, 'three tries')
    ingest.answer = (response) => sendJson(response, 200, {})
    const before = ingest.requests.length
    await waitUntil(async () => {
      await clock.advance(limit('analyticsRetryMaxMs'))
      return ingest.requests.length > before
    }, 'another try')
    assert.equal(ingest.requests.at(-1)?.events.length, 1)
    assert.equal(droppedInAll(), 0)
    const warnings = logged.records.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, 1)
    assert.doesNotMatch(JSON.stringify(logged.records), /secret-token/)
  })

  it('drops and counts what Axiom refuses for good', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { clock, events, droppedInAll } = start(t, url)
    ingest.answer = (response) => sendJson(response, 403, { message: 'forbidden' })
    events.record(FORWARD)
    events.record(FORWARD)
    await clock.advance(limit('analyticsFlushMs'))
    await waitUntil(() => droppedInAll() === 2, 'dropped events')
    assert.equal(ingest.requests.length, 1)
  })

  it('holds a bounded number and counts the rest as dropped', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { events, droppedInAll } = start(t, url)
    ingest.answer = () => undefined
    const most = limit('analyticsQueueItems')
    for (let count = 0; count < most + 25; count += 1) events.record(FORWARD)
    assert.equal(droppedInAll(), 25)
    ingest.answer = (response) => void response.writeHead(500).end()
  })

  it('sends what waits when it is stopped, and nothing afterwards', async (t) => {
    const { url, ingest } = await startIngest(t)
    const { events, droppedInAll } = start(t, url)
    events.record({ event: 'DNT Lookup' })
    await events[Symbol.asyncDispose]()
    assert.equal(ingest.requests.length, 1)
    events.record({ event: 'DNT Lookup' })
    await events[Symbol.asyncDispose]()
    assert.equal(ingest.requests.length, 1)
    assert.equal(droppedInAll(), 0)
  })

  it('survives a server that is not there', async (t) => {
    const { clock, events, logged } = start(t, 'http://127.0.0.1:9')
    events.record(FORWARD)
    await clock.advance(limit('analyticsFlushMs'))
    await waitUntil(() => logged.records.length === 1, 'a warning')
  })
})
