/** What every Connector promises (src/ports/connector.ts), checked with a scripted runtime behind it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ScriptOptions } from '../../src/adapters/runtimes/script-options.ts'
import { HeddleError } from '../../src/core/errors.ts'
import { asRequestId } from '../../src/core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { RouteTarget } from '../../src/core/routing/candidate.ts'
import type { Connector } from '../../src/ports/connector.ts'
import type { Runtime } from '../../src/ports/runtime.ts'

export const CONTRACT_MODEL = 'contract'

export interface ConnectorScope extends AsyncDisposable {
  readonly connector: Connector
  /** Leads to `runtime`. */
  readonly target: RouteTarget
  readonly runtime: Runtime
  /** Takes the runtime away: no request reaches it from now on. */
  readonly remove: () => Promise<void>
  /** Lets time pass until the promise is settled. */
  readonly during: <T>(promise: Promise<T>) => Promise<T>
  /** Lets time pass until `condition` holds; fails when it never does. */
  readonly until: (condition: () => boolean) => Promise<void>
  /** Virtual milliseconds. */
  readonly advance: (ms: number) => Promise<void>
}

const calm = (): AbortSignal => new AbortController().signal
const codeIn =
  (...codes: readonly string[]) =>
  (error: unknown): boolean =>
    error instanceof HeddleError && codes.includes(error.code)
const FAILED_BEFORE = codeIn('upstream_failed', 'runtime_unavailable', 'model_loading', 'timeout', 'peer_unreachable')
/** Far more than anything between two nodes may hold of one answer. */
const LONG_TOKENS = 60_000
const MOST_UNREAD_BYTES = 2 * 1024 * 1024

function chat(fields: Readonly<Record<string, unknown>> = {}): MessageRequest {
  const messages = [{ role: 'user', content: 'tell me' }]
  return {
    id: asRequestId('req_contract'),
    service: 'llm',
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ model: CONTRACT_MODEL, messages, ...fields })),
  }
}

async function textOf({ body }: MessageResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** `open` gives a connector to a fresh runtime of model `CONTRACT_MODEL` that is ready. */
export function connectorContract(
  name: string,
  open: (script: Partial<ScriptOptions>) => Promise<ConnectorScope>,
): void {
  describe(`${name} as a Connector`, () => {
    const send = (scope: ConnectorScope, request: MessageRequest, signal = calm()): Promise<MessageResponse> =>
      scope.during(scope.connector.send(scope.target, request, { signal }))

    it('brings the whole answer, at once or as a stream', async () => {
      await using scope = await open({ tokens: 200 })
      const whole = await send(scope, chat())
      assert.equal(whole.status, 200)
      assert.match(whole.headers['content-type'] ?? '', /^application\/json/)
      assert.equal(JSON.parse(await scope.during(textOf(whole))).choices[0].finish_reason, 'stop')
      const stream = await send(scope, chat({ stream: true }))
      assert.match(stream.headers['content-type'] ?? '', /^text\/event-stream/)
      const events = (await scope.during(textOf(stream))).split('\n\n')
      assert.equal(events.at(-2), 'data: [DONE]')
      assert.ok(events.length > 100)
      await scope.until(() => scope.runtime.inFlight() === 0)
    })

    it('takes a request body that is a stream', async () => {
      await using scope = await open({})
      const { body, ...rest } = chat()
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (const byte of body as Uint8Array) yield Uint8Array.of(byte)
      }
      const answer = await send(scope, { ...rest, body: pieces() })
      assert.equal(answer.status, 200)
      await scope.during(textOf(answer))
    })

    it('resolves with whatever status the provider gave', async () => {
      await using scope = await open({})
      const answers = [
        await send(scope, { ...chat(), path: '/v1/nothing/here' }),
        await send(scope, { ...chat(), body: Buffer.from('no json') }),
      ]
      assert.deepEqual(
        answers.map(({ status }) => status),
        [404, 400],
      )
      for (const answer of answers) assert.ok(JSON.parse(await scope.during(textOf(answer))).error.message)
    })

    it('rejects where no status came', async () => {
      await using scope = await open({})
      await scope.remove()
      await assert.rejects(send(scope, chat()), FAILED_BEFORE)
    })

    it('brings bytes as they come', async () => {
      await using scope = await open({ tokens: 10, rate: 10 })
      const answer = await send(scope, chat({ stream: true }))
      const reader = answer.body[Symbol.asyncIterator]()
      let chunks = 0
      await scope.during(reader.next())
      assert.equal(scope.runtime.inFlight(), 1)
      for (let isDone = false; !isDone; chunks += 1) isDone = (await scope.during(reader.next())).done === true
      assert.ok(chunks > 8, `${chunks} chunks`)
    })

    it('throws where the answer was cut, after what had come', async () => {
      await using scope = await open({ tokens: 50, rate: 100, fail: 'cut', failAt: 20 })
      const answer = await send(scope, chat({ stream: true }))
      let text = ''
      const reading = async (): Promise<void> => {
        for await (const chunk of answer.body) text += Buffer.from(chunk).toString('utf8')
      }
      await assert.rejects(scope.during(reading()), codeIn('upstream_interrupted'))
      assert.ok(text.split('\n\n').length > 20)
      assert.doesNotMatch(text, /\[DONE\]/)
      await scope.until(() => scope.runtime.inFlight() === 0)
    })

    it('holds only so much of an answer that nobody reads', async () => {
      await using scope = await open({ tokens: LONG_TOKENS, contextTokens: 2 * LONG_TOKENS })
      const answer = await send(scope, chat({ stream: true }))
      await scope.advance(10_000)
      assert.equal(scope.runtime.inFlight(), 1, 'it runs ahead of its reader')
      const text = await scope.during(textOf(answer))
      assert.ok(text.length > 2 * MOST_UNREAD_BYTES, `${text.length} bytes prove nothing`)
      assert.ok(text.endsWith('data: [DONE]\n\n'))
    })

    it('rejects with the reason of its signal and stops the provider, at whatever point', async () => {
      const reason = new Error('no longer wanted')
      await using scope = await open({ tokens: 1_000, rate: 10, delayMs: 500 })
      await assert.rejects(send(scope, chat(), AbortSignal.abort(reason)), reason)
      assert.equal(scope.runtime.inFlight(), 0)
      for (const isStream of [true, false]) {
        const early = new AbortController()
        const asked = scope.connector.send(scope.target, chat({ stream: isStream }), early)
        const refused = assert.rejects(asked, reason)
        await scope.until(() => scope.runtime.inFlight() === 1)
        early.abort(reason)
        await refused
        await scope.until(() => scope.runtime.inFlight() === 0)
      }
      const late = new AbortController()
      const answer = await send(scope, chat({ stream: true }), late.signal)
      const reader = answer.body[Symbol.asyncIterator]()
      await scope.during(reader.next())
      const reading = assert.rejects(async () => {
        for (;;) await reader.next()
      }, reason)
      await scope.advance(50)
      late.abort(reason)
      await scope.during(reading)
      await scope.until(() => scope.runtime.inFlight() === 0)
    })

    it('stops the provider when the reader stops reading', async () => {
      await using scope = await open({ tokens: 1_000, rate: 10 })
      const answer = await send(scope, chat({ stream: true }))
      for await (const _ of answer.body) break
      await scope.until(() => scope.runtime.inFlight() === 0)
    })

    it('carries many requests at once, each with its own answer', async () => {
      await using scope = await open({ tokens: 20, rate: 200, capacity: 50 })
      const asked = Array.from({ length: 50 }, (_, index) => {
        const messages = [{ role: 'user', content: `question ${index}` }]
        const sending = scope.connector.send(scope.target, chat({ messages }), { signal: calm() })
        return sending.then(textOf)
      })
      const texts = await scope.during(Promise.all(asked))
      assert.equal(new Set(texts.map((text) => JSON.parse(text).choices[0].message.content)).size, 50)
      await scope.until(() => scope.runtime.inFlight() === 0)
    })
  })
}
