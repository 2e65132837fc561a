/** Tests of the client that reads real answers: only a truthful, complete stream counts. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type ChatAnswer, keptConnections, streamChat } from './chat-client.ts'

const event = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\n\n`
const word = (content: string): string => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
const FINISH = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
const USAGE = event({ choices: [], usage: { completion_tokens: 2 } })
const DONE = 'data: [DONE]\n\n'

async function ask(t: TestContext, listener: RequestListener): Promise<ChatAnswer> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const agent = keptConnections()
  t.after(() => {
    agent.destroy()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return streamChat({ agent, port, key: 'sk-test', body: '{}' }, { signal: t.signal })
}

const answerWith =
  (body: string, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'text/event-stream' })
    response.end(body)
  }

describe('streamChat', () => {
  it('joins the words and tells how the answer ended', async (t) => {
    const answer = await ask(t, answerWith(word('Hello ') + word('you') + FINISH + USAGE + DONE))
    assert.deepEqual(answer, { text: 'Hello you', finishReason: 'stop', completionTokens: 2 })
  })

  it('sends the key', async (t) => {
    await ask(t, (request, response) => {
      assert.equal(request.headers.authorization, 'Bearer sk-test')
      answerWith(FINISH + USAGE + DONE)(request, response)
    })
  })

  it('refuses an answer without its finish, usage or [DONE], and another status', async (t) => {
    await assert.rejects(ask(t, answerWith(word('a') + USAGE + DONE)), /without/)
    await assert.rejects(ask(t, answerWith(word('a') + FINISH + DONE)), /without/)
    await assert.rejects(ask(t, answerWith(word('a') + FINISH + USAGE)), /without/)
    await assert.rejects(ask(t, answerWith(FINISH + USAGE + DONE, 503)), /status 503/)
  })

  it('refuses a stream that ends in an error event or is cut', async (t) => {
    await assert.rejects(ask(t, answerWith(word('a') + event({ error: { message: 'gone' } }))), /without/)
    await assert.rejects(
      ask(t, (_request, response) => response.writeHead(200).write(word('a'), () => response.destroy())),
    )
  })
})
