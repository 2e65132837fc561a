/** What every ServiceForwarder promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Serve, ServiceCall } from '../../src/adapters/memory/memory-forwarder.ts'
import { bodyOf } from '../../src/core/byte-channel.ts'
import { asRequestId } from '../../src/core/ids.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { ServiceForwarder } from '../../src/ports/service-forwarder.ts'

const PIECE = 64 * 1024
const PIECES = 160

export interface ForwarderScope {
  readonly forwarder: ServiceForwarder
  /** Makes the service go away. */
  stop(): Promise<void>
}

/** `open` gives a forwarder to a service that answers as `serve` does. */
export function serviceForwarderContract(
  name: string,
  open: (t: TestContext, serve: Serve) => Promise<ForwarderScope>,
): void {
  describe(`${name} as a ServiceForwarder`, () => {
    it('carries method, path, body, status and headers', async (t) => {
      const seen: ServiceCall[] = []
      const { forwarder } = await open(t, async (call) => {
        seen.push(call)
        return reply(418, await textOf(call.body), { 'x-tea': 'pot', 'content-type': 'text/plain' })
      })
      const answer = await send(forwarder, { method: 'PUT', path: '/a%2Fb?c=d&e', body: Buffer.from('hello') })
      assert.equal(answer.status, 418)
      assert.equal(answer.headers['x-tea'], 'pot')
      assert.equal(await textOf(answer.body), 'hello')
      assert.deepEqual([seen[0]?.method, seen[0]?.path], ['PUT', '/a%2Fb?c=d&e'])
      assert.equal(answer.ended(), 1)
    })

    it('keeps credentials, hop-by-hop headers and ours from the service, and its cookies from the client', async (t) => {
      let seen: ServiceCall | undefined
      const { forwarder } = await open(t, async (call) => {
        seen = call
        return reply(200, 'ok', { 'set-cookie': 'a=b', 'x-heddle-node': 'fake', 'access-control-allow-origin': '*' })
      })
      const { headers, body } = await send(forwarder, {
        headers: {
          authorization: 'Bearer sk-secret',
          cookie: 'session=1',
          'x-api-key': 'sk-secret',
          'heddle-runtime': 'x',
          'x-forwarded-host': 'evil.test',
          'proxy-authorization': 'Basic x',
          te: 'trailers',
          accept: 'text/plain',
        },
      })
      await textOf(body)
      assert.equal(seen?.headers['accept'], 'text/plain')
      const sent = JSON.stringify(seen?.headers)
      for (const secret of ['sk-secret', 'session=1', 'heddle', 'evil', 'Basic', 'trailers'])
        assert.ok(!sent.includes(secret), `${secret} reached the service`)
      for (const name of ['set-cookie', 'x-heddle-node', 'access-control-allow-origin'])
        assert.equal(headers[name], undefined)
    })

    it('passes a redirect on instead of following it', async (t) => {
      let calls = 0
      const { forwarder } = await open(t, async () => {
        calls += 1
        return reply(302, '', { location: 'http://169.254.169.254/' })
      })
      const { status, body } = await send(forwarder, {})
      await textOf(body)
      assert.deepEqual([status, calls], [302, 1])
    })

    it('uploads 10 MiB as the service reads them, and no faster', async (t) => {
      const gate = Promise.withResolvers<void>()
      const { forwarder } = await open(t, async ({ body }) => {
        await gate.promise
        return reply(200, String(await sizeOf(body)))
      })
      let given = 0
      const answering = send(forwarder, { method: 'POST', body: pieces(() => (given += 1)) })
      await settledCount(() => given)
      // What lies in the sockets' buffers and ours; the rest has not been asked for.
      assert.ok(given < PIECES, `${given} pieces were taken before anybody read them`)
      gate.resolve()
      const { body } = await answering
      assert.equal(await textOf(body), String(PIECE * PIECES))
      assert.equal(given, PIECES)
    })

    it('downloads 10 MiB as the client reads them, and no faster', async (t) => {
      let given = 0
      const { forwarder } = await open(t, async () => ({ status: 200, headers: {}, body: pieces(() => (given += 1)) }))
      const { body, ended } = await send(forwarder, {})
      await settledCount(() => given)
      assert.ok(given < PIECES, `${given} pieces were taken before anybody read them`)
      assert.equal(ended(), 0)
      assert.equal(await sizeOf(body), PIECE * PIECES)
      assert.equal(ended(), 1)
    })

    it('answers while the request is still being sent', async (t) => {
      const { forwarder } = await open(t, async ({ body }) => ({ status: 200, headers: {}, body: shouting(body) }))
      const { promise: rest, resolve: send2 } = Promise.withResolvers<void>()
      const { body } = await send(forwarder, {
        method: 'POST',
        body: (async function* () {
          yield Buffer.from('one')
          await rest
          yield Buffer.from('two')
        })(),
      })
      const parts = body[Symbol.asyncIterator]()
      assert.equal(Buffer.from((await parts.next()).value as Uint8Array).toString(), 'ONE')
      send2()
      assert.equal(Buffer.from((await parts.next()).value as Uint8Array).toString(), 'TWO')
      assert.equal((await parts.next()).done, true)
    })

    it('says that nobody answers, never with a status', async (t) => {
      const { forwarder, stop } = await open(t, async () => reply(200, 'ok'))
      await forwarder.check({ signal: t.signal })
      await stop()
      await assert.rejects(send(forwarder, {}), { code: 'runtime_unavailable' })
      await assert.rejects(forwarder.check({ signal: t.signal }))
    })

    it('says that the service broke off before its answer', async (t) => {
      const { forwarder } = await open(t, async () => {
        throw new Error('it broke')
      })
      await assert.rejects(send(forwarder, { method: 'POST', body: Buffer.from('x') }), { code: 'upstream_failed' })
    })

    it('says that an answer was cut', async (t) => {
      const { forwarder } = await open(t, async () => ({
        status: 200,
        headers: { 'content-length': '10' },
        body: (async function* () {
          yield Buffer.from('half')
          throw new Error('cut')
        })(),
      }))
      const { body, ended } = await send(forwarder, {})
      await assert.rejects(textOf(body), { code: 'upstream_interrupted' })
      assert.equal(ended(), 1)
    })

    it('ends at once when the caller leaves, before the head and after it', async (t) => {
      const { forwarder } = await open(t, async ({ path }) =>
        path === '/never'
          ? new Promise<MessageResponse>(() => undefined)
          : { status: 200, headers: {}, body: silence() },
      )
      const leaving = new AbortController()
      const early = send(forwarder, { path: '/never' }, leaving.signal)
      const late = await send(forwarder, {}, leaving.signal)
      const reading = textOf(late.body)
      leaving.abort(new Error('the client left'))
      await assert.rejects(early, { message: 'the client left' })
      await assert.rejects(reading, { message: 'the client left' })
      assert.equal(late.ended(), 1)
    })

    it('lets the service go when the reader stops in the middle', async (t) => {
      const { forwarder } = await open(t, async () => ({ status: 200, headers: {}, body: pieces(() => undefined) }))
      const { body, ended } = await send(forwarder, {})
      for await (const _ of body) break
      assert.equal(ended(), 1)
    })
  })
}

interface Sent extends MessageResponse {
  /** How often the end was told. */
  ended(): number
}

async function send(
  forwarder: ServiceForwarder,
  request: Partial<MessageRequest>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Sent> {
  let ended = 0
  const whole: MessageRequest = {
    id: asRequestId('req_1'),
    service: 'echo',
    method: 'GET',
    path: '/',
    headers: {},
    body: undefined,
    ...request,
  }
  const response = await forwarder.send(whole, { signal, onEnd: () => (ended += 1) })
  return { ...response, ended: () => ended }
}

function reply(status: number, text: string, headers: Readonly<Record<string, string>> = {}): MessageResponse {
  return { status, headers, body: bodyOf(Buffer.from(text)) }
}

async function* pieces(onGiven: () => void): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < PIECES; index += 1) {
    onGiven()
    yield Buffer.alloc(PIECE, index % 251)
  }
}

async function* shouting(body: MessageBody): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield Buffer.from(Buffer.from(chunk).toString().toUpperCase())
}

async function* silence(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a')
  await new Promise(() => undefined)
}

async function sizeOf(body: MessageBody): Promise<number> {
  let size = 0
  for await (const chunk of body) size += chunk.length
  return size
}

async function textOf(body: MessageBody): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Waits until `count` stands still. */
async function settledCount(count: () => number): Promise<void> {
  let before = -1
  for (let still = 0; still < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    still = count() === before ? still + 1 : 0
    before = count()
  }
}
