/** Runtimes behind HTTP that answer wrongly or die: clients hear the truth, in the right form, and other runtimes notice nothing. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import type { RequestView } from '../../src/core/wire/admin-accounts.ts'
import {
  answerWell,
  type Behaviour,
  beginStream,
  chunkEvent,
  type FakeUpstream,
  startFakeUpstream,
  wholeAnswer,
} from '../support/fake-upstream.ts'
import { type ErrorShape, errorIn } from '../support/raw-socket.ts'
import { chat, eventsOf, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'
const MIB = 1024 * 1024

const raw =
  (text: string): Behaviour =>
  (response) =>
    void response.socket?.end(text)
const withStatus =
  (status: number, error: unknown, headers: Record<string, string> = {}): Behaviour =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }))
  }
/** Streams `text` after one good chunk, then does `then`. */
const after1 =
  (text: string, then: (response: ServerResponse) => void = (response) => response.end()): Behaviour =>
  (response) => {
    beginStream(response)
    response.write(chunkEvent('begun'))
    // A turn later, so that the first chunk is on its way to the client.
    setTimeout(() => {
      response.write(text)
      setTimeout(() => then(response), 20)
    }, 50)
  }
const whole =
  (value: unknown, contentType = 'application/json'): Behaviour =>
  (response) => {
    response
      .writeHead(200, { 'content-type': contentType })
      .end(typeof value === 'string' ? value : JSON.stringify(value))
  }

/** Wrong before the first byte reaches a client: another candidate could have answered. */
const BEFORE: Readonly<Record<string, Behaviour>> = {
  'no-http': raw('SSH-2.0-OpenSSH_9.6\r\n'),
  'half-a-head': raw('HTTP/1.1 200 OK\r\ncontent-type: text/ev'),
  'two-lengths': raw('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
  'huge-head': raw(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`),
  hangup: (response) => response.destroy(),
  html: whole('<html>please log in</html>', 'text/html'),
  'html-as-stream': whole('<html>please log in</html>', 'text/event-stream'),
  'plain-error': withStatus(500, 'boom'),
  'error-object': withStatus(500, { message: 'CUDA out of memory', type: 'server_error' }),
  teapot: withStatus(418, { message: 'short and stout' }),
  redirect: (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  unauthorised: withStatus(401, { message: 'Incorrect API key provided: sk-upstream-secret-1234567890' }),
  forbidden: withStatus(403, { message: 'sk-upstream-secret-1234567890 may not do this' }),
  'not-here': withStatus(404, { message: 'The model does not exist' }),
  'empty-body': whole(''),
  null: whole('null'),
  'no-choices': whole({ id: 'x', object: 'chat.completion' }),
  'empty-choices': whole({ choices: [] }),
  'error-in-200': whole({ error: { message: 'boom' } }),
  gzip: (response) =>
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end('x'),
  'only-done': (response) => {
    beginStream(response)
    response.end('data: [DONE]\n\n')
  },
  'empty-stream': (response) => {
    beginStream(response)
    response.end()
  },
  'role-then-gone': (response) => {
    beginStream(response)
    response.write('data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n')
    setTimeout(() => response.destroy(), 20)
  },
  'error-event-first': (response) => {
    beginStream(response)
    response.end('data: {"error":{"message":"boom","code":500}}\n\n')
  },
  'binary-stream': (response) => {
    beginStream(response)
    response.end(Buffer.alloc(100_000, 0xff))
  },
}

/** Wrong after the first byte: only the stream can tell. */
const AFTER: Readonly<Record<string, Behaviour>> = {
  'late-cut': after1('', (response) => response.destroy()),
  'late-end': after1(''),
  'late-done': after1('data: [DONE]\n\n'),
  'late-half': after1('data: {"choices":[{"index":0,"del'),
  'late-garbage': after1('data: <html>\n\n'),
  'late-broken-json': after1('data: {"choices":[{"finish_reason":"stop"\n\n'),
  'late-error': after1('data: {"error":{"message":"boom"}}\n\n'),
  'late-error-event': after1('event: error\ndata: {"message":"boom"}\n\n'),
  'late-error-text': after1('data: {"error":"boom"}\n\n'),
  'late-huge': after1(`data: {"choices":[{"delta":{"content":"${'h'.repeat(6 * MIB)}`),
  'late-one-of-two': after1(chunkEvent('', 'stop')),
}

describe('a runtime behind http', () => {
  let upstream: FakeUpstream
  let node: TestNode
  before(async () => {
    upstream = await startFakeUpstream({
      ...BEFORE,
      ...AFTER,
      good: answerWell,
      busy: withStatus(429, { message: 'slow down' }, { 'retry-after': '7' }),
      loading: withStatus(503, { message: 'Loading model' }),
      picky: withStatus(400, { message: 'top_k must be positive', param: 'top_k', type: 'BadRequestError', code: 400 }),
      short: withStatus(400, {
        message: "This model's maximum context length is 4096 tokens",
        type: 'BadRequestError',
      }),
      'slow-head': (response, body, request) => setTimeout(() => answerWell(response, body, request), 1_500),
      large: whole(wholeAnswer('l'.repeat(20 * MIB))),
      'too-large': whole(wholeAnswer('l'.repeat(65 * MIB))),
      odd: (response) => {
        beginStream(response, 'text/event-stream;charset=UTF-8')
        response.write(': hello\r\n\r\nid: 7\r\nretry: 10\r\n')
        response.write(chunkEvent('ä'.repeat(10)).replaceAll('\n', '\r\n'))
        const last = Buffer.from(chunkEvent('ö€😀', 'stop'))
        // Cut inside a character.
        for (const byte of last) response.write(Buffer.of(byte))
        response.end('data:[DONE]\n\n')
      },
    })
    node = await startTestNode({ HEDDLE_RUNTIMES: `script:demo?tokens=4,${upstream.spec}` })
    await waitUntil(() => node.node.models().includes('good'), 'the runtime')
  })
  after(async () => {
    await node[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const ask = (model: string, stream: boolean, more: Record<string, unknown> = {}): Promise<Response> =>
    node.post(CHAT, chat(model, 'Hi', { stream, ...more }))
  const refusalOf = async (response: Response): Promise<ErrorShape> => {
    const text = await response.text()
    assert.doesNotMatch(text, /sk-upstream/)
    return errorIn(text)
  }

  for (const model of Object.keys(BEFORE)) {
    for (const stream of [false, true]) {
      // A model that only goes wrong as a stream.
      if (!stream && /stream|^only-done$|role-then|error-event/.test(model)) continue
      it(`that fails before the first byte is a 502 (${model}, stream: ${stream})`, async () => {
        const response = await ask(model, stream)
        const { code, metadata } = await refusalOf(response)
        assert.deepEqual([response.status, code], [502, 'upstream_failed'])
        assert.equal(response.headers.get('x-should-retry'), 'true')
        assert.equal((metadata['attempts'] as unknown[]).length, 1)
      })
    }
  }

  for (const model of Object.keys(AFTER)) {
    it(`that fails after the first byte ends in one error event, without [DONE] (${model})`, async () => {
      const response = await ask(model, true, model === 'late-one-of-two' ? { n: 2 } : {})
      assert.equal(response.status, 200)
      const events = eventsOf(await response.text())
      assert.equal(events.includes('[DONE]'), false)
      assert.match(events[0] ?? '', /begun/)
      const errors = events.filter((event) => event.startsWith('{"error"'))
      assert.equal(errors.length, 1)
      assert.equal(events.at(-1), errors[0])
      const { code, type } = errorIn(errors[0] ?? '')
      assert.deepEqual([code, type], ['upstream_interrupted', 'stream_interrupted'])
      const last = (await (await node.get('/api/v1/requests/last')).json()) as RequestView
      assert.equal(last.outcome, 'upstream_interrupted')
    })
  }

  it('that is busy is a 503 with its own retry-after, not an error of ours', async () => {
    for (const [model, seconds] of [
      ['busy', 7],
      ['loading', 1],
    ] as const) {
      const response = await ask(model, true)
      assert.deepEqual([response.status, (await refusalOf(response)).code], [503, 'no_capacity'])
      assert.equal(Number(response.headers.get('retry-after')), seconds)
    }
  })

  it('that finds the request wrong is believed: 400, with its parameter', async () => {
    const picky = await ask('picky', false)
    const error = await refusalOf(picky)
    assert.deepEqual([picky.status, error.code, error.param], [400, 'invalid_request', 'top_k'])
    assert.match(error.message, /top_k must be positive/)
    const short = await ask('short', true)
    assert.deepEqual([short.status, (await refusalOf(short)).code], [400, 'context_length_exceeded'])
  })

  it('that takes its time before the head is waited for', async () => {
    const response = await ask('slow-head', true)
    assert.equal(eventsOf(await response.text()).at(-1), '[DONE]')
  })

  it('that answers much is passed on whole, and too much is given up', async () => {
    const large = await ask('large', false)
    assert.equal(
      ((await large.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content.length,
      20 * MIB,
    )
    const tooLarge = await ask('too-large', false)
    assert.deepEqual([tooLarge.status, (await refusalOf(tooLarge)).code], [502, 'upstream_failed'])
  })

  it('that writes events in unusual but valid ways is passed on byte by byte', async () => {
    const text = await (await ask('odd', true)).text()
    assert.match(text, /ä{10}/)
    assert.match(text, /ö€😀/)
    assert.equal(eventsOf(text.replaceAll('\r\n', '\n')).at(-1), '[DONE]')
  })

  it('leaves no slot taken, and still serves', async () => {
    await waitUntil(async () => (await inFlightOf(node)) === 0, 'the slots to be free', 2_000)
    assert.equal((await ask('good', false)).status, 200)
  })
})

describe('a runtime that is killed', () => {
  it('in the middle of a stream: one error event, no [DONE], the other stream goes on, and 503 after that', async () => {
    await using victim = await startServer('victim')
    await using node = await startTestNode({
      HEDDLE_RUNTIMES: `script:other?tokens=60&rate=40,openai:http://127.0.0.1:${victim.port}`,
    })
    await waitUntil(() => node.node.models().includes('victim'), 'the runtime')
    const streams = await Promise.all([1, 2, 3].map(() => node.post(CHAT, chat('victim', 'Hi', { stream: true }))))
    const waiting = node.post(CHAT, chat('victim', 'Hi'))
    const other = await node.post(CHAT, chat('other', 'Hi', { stream: true }))
    const readers = streams.map((stream) => stream.body?.getReader())
    const begun = await Promise.all(
      readers.map(async (reader) => Buffer.from((await reader?.read())?.value ?? []).toString()),
    )
    await waitUntil(async () => (await inFlightOf(node)) >= 5, 'all to be in flight')
    victim.child.kill('SIGKILL')
    const killedAt = performance.now()
    for (const [index, reader] of readers.entries()) {
      let text = begun[index] ?? ''
      for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
        text += Buffer.from(part.value).toString()
      }
      assert.ok(performance.now() - killedAt < 1_000, 'the end came late')
      const events = eventsOf(text)
      assert.equal(events.includes('[DONE]'), false)
      assert.equal(errorIn(events.at(-1) ?? '').code, 'upstream_interrupted')
    }
    const failed = await waiting
    assert.equal(failed.status, 502)
    assert.equal(errorIn(await failed.text()).code, 'upstream_failed')
    const next = await node.post(CHAT, chat('victim', 'Hi'))
    assert.equal(next.status, 503)
    assert.ok(Number(next.headers.get('retry-after')) >= 1)
    assert.equal(errorIn(await next.text()).code, 'no_capacity')
    const events = eventsOf(await other.text())
    assert.equal(events.at(-1), '[DONE]')
    assert.equal(events.filter((event) => event.includes('"content"')).length >= 60, true)
    assert.equal(await inFlightOf(node), 0)
  })
})

interface Server extends AsyncDisposable {
  readonly child: ChildProcess
  readonly port: number
}

async function startServer(model: string): Promise<Server> {
  const program = join(import.meta.dirname, '../support/endless-server.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, model], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    child,
    port: Number(line),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function inFlightOf(node: TestNode): Promise<number> {
  const status = (await (await node.get('/api/v1/status')).json()) as { nodes: { inFlight: number }[] }
  return status.nodes[0]?.inFlight ?? Number.NaN
}
