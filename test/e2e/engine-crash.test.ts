/** The engine's process is killed while it generates: its streams say so, everything else goes on, and it is back in seconds. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI from 'openai'
import type { RuntimeView, Status } from '../../src/core/wire/admin.ts'
import { errorIn } from '../support/raw-socket.ts'
import { chat, eventsOf, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const TINY = 'tinychat-1.2m-q8_0'
const CHAT = '/v1/chat/completions'
/** The second time in a row it is started after a longer pause. */
const BACK_WITHIN_MS = [5_000, 8_000] as const
/** Dozens of answers of hundreds of tokens: seconds of work even for the tiny model. */
const LONG = { temperature: 1, n: 64, max_tokens: 480 }

describe('the engine, killed with SIGKILL', () => {
  let node: TestNode
  before(async () => {
    node = await startTestNode({ HEDDLE_RUNTIMES: 'llama,script:other?tokens=120&rate=40' })
    await waitUntil(() => node.node.models().includes(TINY), 'the engine', 20_000)
  })
  after(() => node[Symbol.asyncDispose]())

  const engine = async (): Promise<RuntimeView> => {
    const { runtimes } = (await (await node.get('/api/v1/runtimes', node.adminKey)).json()) as {
      runtimes: RuntimeView[]
    }
    return runtimes.find(({ id }) => id === 'llama') as RuntimeView
  }
  const pidOf = async (): Promise<number> => {
    const { pid } = (await engine()).facts
    assert.equal(typeof pid, 'number')
    assert.notEqual(pid, process.pid)
    return pid as number
  }
  const paris = (): Promise<Response> =>
    node.post(CHAT, chat(TINY, 'What is the capital of France?', { temperature: 0 }))

  for (const [round, backWithinMs] of BACK_WITHIN_MS.entries()) {
    it(`breaks its streams truthfully, leaves the others alone, and serves again in seconds (round ${round + 1})`, async () => {
      const long = chat(TINY, 'Tell me a story.', { ...LONG, stream: true })
      const [stream, other] = await Promise.all([
        node.post(CHAT, long),
        node.post(CHAT, chat('other', 'Hi', { stream: true })),
      ])
      const whole = node.post(CHAT, chat(TINY, 'Tell me a story.', LONG))
      const reader = stream.body?.getReader()
      let text = Buffer.from((await reader?.read())?.value ?? []).toString()
      const otherText = other.text()
      await waitUntil(async () => (await engine()).inFlight === 2, 'both requests to run')
      const pid = await pidOf()
      process.kill(pid, 'SIGKILL')
      const killedAt = performance.now()

      for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
        text += Buffer.from(part.value).toString()
      }
      assert.ok(performance.now() - killedAt < 1_000, 'the stream ended late')
      const events = eventsOf(text)
      assert.ok(events.length > 1)
      assert.equal(events.includes('[DONE]'), false)
      const { code, type } = errorIn(events.at(-1) ?? '')
      assert.deepEqual([code, type], ['upstream_interrupted', 'stream_interrupted'])
      const failed = await whole
      assert.ok([502, 503].includes(failed.status), `${failed.status}`)
      errorIn(await failed.text())

      for (;;) {
        const answer = await paris()
        const body = await answer.text()
        assert.ok(performance.now() - killedAt < backWithinMs, `not back yet: ${body}`)
        if (answer.status === 200) {
          assert.match(body, /The capital of France is Paris\./)
          break
        }
        // Until then it is known and not here, or was just lost: worth another try, and said so.
        assert.ok([502, 503].includes(answer.status), body)
        assert.equal(answer.headers.get('x-should-retry'), 'true')
        if (answer.status === 503) assert.ok(Number(answer.headers.get('retry-after')) >= 1)
      }
      assert.notEqual(await pidOf(), pid)
      const otherEvents = eventsOf(await otherText)
      assert.equal(otherEvents.at(-1), '[DONE]')
      assert.ok(otherEvents.filter((event) => event.includes('"content"')).length >= 120)
      assert.equal((await engine()).inFlight, 0)
    })
  }

  it('costs a client of the openai package nothing but a retry', async () => {
    const client = new OpenAI({ apiKey: node.key, baseURL: `${node.url}/v1`, maxRetries: 4 })
    process.kill(await pidOf(), 'SIGKILL')
    const messages = [{ role: 'user' as const, content: 'What is the capital of France?' }]
    const answer = await client.chat.completions.create({ model: TINY, messages, temperature: 0 })
    assert.equal(answer.choices[0]?.message.content, 'The capital of France is Paris.')
    const status = (await (await node.get('/api/v1/status')).json()) as Status
    assert.equal(status.nodes[0]?.inFlight, 0)
  })
})
