/** The gateway over real HTTP with scripted runtimes: failover, truth about failures, cancelling. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Status } from '../../src/core/wire/admin.ts'
import type { RequestView } from '../../src/core/wire/admin-accounts.ts'
import { chat, eventsOf, startTestNode, type TestNode } from '../support/test-node.ts'

/** Two runtimes offer each of these models; the broken one is tried first because nothing is busier. */
const RUNTIMES = [
  'script:pair?fail=cut&tokens=7',
  'script:pair?tokens=8',
  'script:errs?fail=error&tokens=7',
  'script:errs?tokens=8',
  'script:junk?fail=garbage&tokens=7',
  'script:junk?tokens=8',
  'script:late?fail=cut&fail_at=3&rate=200',
  'script:late-error?fail=error&fail_at=3&rate=200',
  'script:late-junk?fail=garbage&fail_at=3&rate=200',
  'script:endless?fail=nofinish&fail_at=3&rate=200',
  'script:hopeless?fail=cut',
  'script:slow?tokens=4000&rate=100&capacity=1',
  'script:demo?tokens=8',
  'script:plain?tools=0',
].join(',')

describe('the gateway', () => {
  let node: TestNode
  before(async () => {
    node = await startTestNode({ HEDDLE_RUNTIMES: RUNTIMES })
  })
  after(() => node[Symbol.asyncDispose]())

  const lastRequest = async (): Promise<RequestView> =>
    (await (await node.get('/api/v1/requests/last')).json()) as RequestView
  const inFlight = async (): Promise<number> => {
    const status = (await (await node.get('/api/v1/status')).json()) as Status
    return status.nodes[0]?.inFlight ?? -1
  }

  for (const model of ['pair', 'errs', 'junk']) {
    for (const stream of [false, true]) {
      it(`moves on in silence when the first candidate of "${model}" fails before its first byte (stream: ${stream})`, async () => {
        const response = await node.post('/v1/chat/completions', chat(model, 'Hello', { stream }))
        const text = await response.text()
        assert.equal(response.status, 200, text)
        assert.equal(response.headers.get('x-heddle-attempts'), '2')
        assert.equal(response.headers.get('x-heddle-runtime'), `script:${model}?tokens=8`)
        if (stream) assert.equal(eventsOf(text).at(-1), '[DONE]')
        else assert.equal((JSON.parse(text) as { usage: { completion_tokens: number } }).usage.completion_tokens, 8)
        const { attempts, outcome } = await lastRequest()
        assert.equal(outcome, 'ok')
        assert.equal(attempts.length, 2)
        assert.notEqual(attempts[0]?.outcome, 'ok')
        assert.equal(attempts[1]?.outcome, 'ok')
      })
    }
  }

  for (const model of ['late', 'late-error', 'late-junk', 'endless']) {
    it(`tells in the stream that "${model}" broke after the first byte, and never says [DONE]`, async () => {
      const response = await node.post('/v1/chat/completions', chat(model, 'Hello', { stream: true }))
      assert.equal(response.status, 200)
      const events = eventsOf(await response.text())
      assert.ok(events.length > 1)
      assert.equal(events.includes('[DONE]'), false)
      const last = JSON.parse(events.at(-1) ?? '') as { error: { code: string; type: string; message: string } }
      assert.equal(last.error.code, 'upstream_interrupted')
      assert.equal(last.error.type, 'stream_interrupted')
      const { outcome, attempts } = await lastRequest()
      assert.equal(outcome, 'upstream_interrupted')
      assert.equal(attempts.at(-1)?.outcome, 'upstream_interrupted')
    })
  }

  it('says 502 with the attempts when every candidate failed', async () => {
    const response = await node.post('/v1/chat/completions', chat('hopeless'))
    assert.equal(response.status, 502)
    const { error } = (await response.json()) as { error: { code: string; metadata: { attempts: unknown[] } } }
    assert.equal(error.code, 'upstream_failed')
    assert.equal(error.metadata.attempts.length, 1)
    assert.equal(response.headers.get('x-should-retry'), 'true')
  })

  it('stops the generation within 100 ms when the client leaves', async () => {
    const leaving = new AbortController()
    const response = await node.post('/v1/chat/completions', chat('slow', 'Hello', { stream: true }), {
      signal: leaving.signal,
    })
    const reader = response.body?.getReader()
    await reader?.read()
    assert.equal(await inFlight(), 1)
    leaving.abort()
    const leftAt = performance.now()
    while ((await inFlight()) > 0) {
      assert.ok(performance.now() - leftAt < 1_000, 'the slot is still taken')
      await sleep(5)
    }
    const tookMs = performance.now() - leftAt
    assert.ok(tookMs < 300, `the slot was free after ${tookMs} ms`)
    const record = await lastRequest()
    assert.equal(record.outcome, 'client_closed')
    assert.equal(record.status, 499)
  })

  it('refuses what the runtime cannot honour, naming the parameter', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    const response = await node.post('/v1/chat/completions', chat('plain', 'Hello', { tools }))
    assert.equal(response.status, 400)
    const { error } = (await response.json()) as { error: { code: string; param: string } }
    assert.equal(error.code, 'unsupported_parameter')
    assert.equal(error.param, 'tools')
  })

  it('sends the usage chunk only to those who asked, and logs the tokens either way', async () => {
    const silent = eventsOf(
      await (await node.post('/v1/chat/completions', chat('demo', 'Hi', { stream: true }))).text(),
    )
    assert.ok(
      silent.every((event) => event === '[DONE]' || (JSON.parse(event) as { choices: unknown[] }).choices.length > 0),
    )
    assert.equal((await lastRequest()).outputTokens, 8)
    const asked = eventsOf(
      await (
        await node.post(
          '/v1/chat/completions',
          chat('demo', 'Hi', { stream: true, stream_options: { include_usage: true } }),
        )
      ).text(),
    )
    const usage = JSON.parse(asked.at(-2) ?? '') as { choices: unknown[]; usage: { completion_tokens: number } }
    assert.deepEqual(usage.choices, [])
    assert.equal(usage.usage.completion_tokens, 8)
    const refused = eventsOf(
      await (
        await node.post(
          '/v1/chat/completions',
          chat('demo', 'Hi', { stream: true, stream_options: { include_usage: false } }),
        )
      ).text(),
    )
    assert.equal(refused.length, silent.length)
  })

  it('takes /v1/ with doubled slashes', async () => {
    assert.equal((await node.post('//v1//chat/completions/', chat('demo'))).status, 200)
    assert.equal((await node.get('/v1//models/')).status, 200)
  })

  it('refuses strangers before it reads their body', async () => {
    const response = await node.post('/v1/chat/completions', '{not json', {
      headers: { authorization: 'Bearer sk-heddle-wrong' },
    })
    assert.equal(response.status, 401)
    const text = await response.text()
    assert.match(text, /invalid_api_key/)
    assert.doesNotMatch(text, /sk-heddle-wrong/)
  })
})
