/** Tests of requests for services: who is asked, what is read of the body, and what is told where nobody answers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ListServiceDirectory } from '../../test/support/list-service-directory.ts'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { testInstance } from '../../test/support/service-instances.ts'
import { bodyOf } from '../core/byte-channel.ts'
import { HeddleError } from '../core/errors.ts'
import { asNodeId, asRequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../core/message.ts'
import type { ConnectorKind, RouteTarget } from '../core/routing/candidate.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import type { Connector } from '../ports/connector.ts'
import { type ServiceAsk, serveService } from './service-request.ts'

const ADMITTED = { allowsModel: () => true, limitsModels: false, promptTrust: 'network' as const }
const JSON_TYPE = { 'content-type': 'application/json' }

interface Sent {
  readonly target: RouteTarget
  readonly message: MessageRequest
}

/** A gateway over these instances; `answer` is what each node does. */
function gateway(
  instances: readonly ServiceCandidate[],
  answer: (sent: Sent) => Promise<MessageResponse> = async () => reply('ok'),
) {
  const sent: Sent[] = []
  const connector = (kind: ConnectorKind): Connector => ({
    kind,
    send: (target, message) => {
      sent.push({ target, message })
      return answer({ target, message })
    },
  })
  let failures = 0
  const deps = {
    services: new ListServiceDirectory(instances),
    connectors: new Map((['local', 'mesh'] as const).map((kind) => [kind, connector(kind)])),
    metrics: {
      attemptFailed: () => {
        failures += 1
      },
    },
    log: new RecordingLogger(),
  }
  return {
    sent,
    failures: () => failures,
    nodes: () => sent.map(({ target }) => target.node),
    ask: (ask: Partial<ServiceAsk>, signal = new AbortController().signal) =>
      serveService(
        deps,
        {
          id: asRequestId('req_1'),
          service: 'asr',
          node: undefined,
          method: 'POST',
          path: '/v1/x',
          headers: {},
          body: undefined,
          fields: new Map(),
          strictness: 'exact',
          admitted: ADMITTED,
          ...ask,
        },
        { signal },
      ),
  }
}

const reply = (text: string): MessageResponse => ({ status: 200, headers: {}, body: bodyOf(Buffer.from(text)) })
const away = async (): Promise<never> => {
  throw new HeddleError('peer_unreachable', 'nobody is there')
}

async function sizeOf(body: MessageRequest['body']): Promise<number> {
  if (body === undefined || body instanceof Uint8Array) return body?.length ?? 0
  let size = 0
  for await (const chunk of body) size += chunk.length
  return size
}

/** Pieces of `text` and then of nothing in particular, as a client sends them. */
async function* stream(text: string, moreBytes = 0, onGiven: () => void = () => undefined): MessageBodyGenerator {
  yield Buffer.from(text)
  for (let left = moreBytes; left > 0; left -= 65_536) {
    onGiven()
    yield Buffer.alloc(Math.min(left, 65_536), 0x61)
  }
}
type MessageBodyGenerator = AsyncGenerator<Uint8Array> & MessageBody

describe('serveService', () => {
  it('asks an instance of the group that the body names, and says which node served', async () => {
    const { ask, sent } = gateway([
      testInstance({ node: 'b', groups: ['model=b'] }),
      testInstance({ node: 'a', groups: ['model=a'] }),
    ])
    const answer = await ask({ headers: JSON_TYPE, body: Buffer.from('{"model":"a"}') })
    assert.deepEqual([answer.servedBy.node, answer.servedBy.runtime], ['a', 'main'])
    assert.equal(Buffer.from(sent[0]?.message.body as Uint8Array).toString(), '{"model":"a"}')
    assert.deepEqual([sent[0]?.message.service, sent[0]?.message.path], ['asr', '/v1/x'])
  })

  it('takes the group from a header before the body, whose bytes it then does not look at', async () => {
    const { ask, nodes } = gateway([
      testInstance({ node: 'a', groups: ['Model=a'] }),
      testInstance({ node: 'b', groups: ['Model=b'] }),
    ])
    await ask({ headers: JSON_TYPE, body: Buffer.from('{"Model":"a"}'), fields: new Map([['model', 'b']]) })
    assert.deepEqual(nodes(), ['b'])
  })

  it('streams a body that routing does not need, without taking more than is read', async () => {
    const reading = Promise.withResolvers<void>()
    const { ask } = gateway([testInstance({ groups: [] })], async ({ message }) => {
      await reading.promise
      return reply(String(await sizeOf(message.body)))
    })
    let given = 0
    const mostBytes = 32 * 1024 * 1024
    const answering = ask({ body: stream('', mostBytes, () => (given += 1)) })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(given, 0)
    reading.resolve()
    const { body } = await answering
    for await (const chunk of body) assert.equal(Buffer.from(chunk).toString(), String(mostBytes))
  })

  it('reads of a large JSON body only its beginning, where that has the fields', async () => {
    let given = 0
    const { ask, nodes } = gateway(
      [testInstance({ node: 'a' }), testInstance({ node: 'b', groups: ['model=b'] })],
      async ({ message }) => {
        assert.ok(given < 10, `${given} pieces were read to route`)
        return reply(String(await sizeOf(message.body)))
      },
    )
    const moreBytes = 16 * 1024 * 1024
    const text = '{"model":"a","audio":"'
    const { body } = await ask({ headers: JSON_TYPE, body: stream(text, moreBytes, () => (given += 1)) })
    for await (const chunk of body) assert.equal(Buffer.from(chunk).toString(), String(text.length + moreBytes))
    assert.deepEqual(nodes(), ['a'])
  })

  it('gives a body up that hides its fields behind more than may be read, and says what helps', async () => {
    const { ask, sent } = gateway([testInstance({})])
    await assert.rejects(
      ask({ headers: JSON_TYPE, body: stream('{"audio":"', limit('jsonBodyBytes') + 1) }),
      (error: HeddleError) =>
        error.code === 'payload_too_large' && /x-heddle-group-model/.test(error.details.fix ?? ''),
    )
    assert.equal(sent.length, 0)
  })

  it('does not look for fields in what is no JSON', async () => {
    const { ask } = gateway([testInstance({})])
    const audio = { headers: { 'content-type': 'audio/wav' }, body: stream('{"model":"a"}') }
    await assert.rejects(ask(audio), { code: 'no_route' })
    assert.equal((await ask({ ...audio, fields: new Map([['model', 'a']]) })).status, 200)
  })

  it('tries the next instance with the same bytes, while there is no answer', async () => {
    const { ask, sent, failures } = gateway(
      ['a', 'b', 'c'].map((node) => testInstance({ node, groups: [] })),
      async ({ target }) => (target.node === 'c' ? reply('c') : away()),
    )
    const answer = await ask({ headers: { 'content-length': '5' }, body: stream('hello') })
    assert.equal(answer.servedBy.node, 'c')
    assert.equal(failures(), 2)
    for (const { message } of sent) assert.equal(Buffer.from(message.body as Uint8Array).toString(), 'hello')
  })

  it('does not send a stream twice, but tries another where nobody had begun to read it', async () => {
    const instances = ['a', 'b'].map((node) => testInstance({ node, groups: [] }))
    const untouched = gateway(instances, async ({ target }) => (target.node === 'b' ? reply('b') : away()))
    assert.equal((await untouched.ask({ body: stream('x', 10) })).servedBy.node, 'b')
    const touched = gateway(instances, async ({ message }) => {
      await sizeOf(message.body)
      return away()
    })
    await assert.rejects(touched.ask({ body: stream('x', 10) }), { code: 'upstream_failed' })
    assert.deepEqual(touched.nodes(), ['a'])
  })

  it('gives no more tries than it may', async () => {
    const { ask, sent } = gateway(
      Array.from({ length: 9 }, (_, index) => testInstance({ node: `n${index}`, groups: [] })),
      away,
    )
    await assert.rejects(ask({}), { code: 'upstream_failed' })
    assert.equal(sent.length, limit('attempts'))
  })

  it('passes the failure of a service on as it is, and asks nobody else', async () => {
    const { ask, sent } = gateway(
      ['a', 'b'].map((node) => testInstance({ node, groups: [] })),
      async () => ({ status: 500, headers: { 'set-cookie': 'x' }, body: bodyOf() }),
    )
    const answer = await ask({})
    assert.deepEqual([answer.status, answer.headers, sent.length], [500, {}, 1])
  })

  it('says which code fits where all failed', async () => {
    const failing = (code: HeddleError['code']) =>
      gateway([testInstance({ groups: [] })], async () => {
        throw new HeddleError(code, 'it failed')
      }).ask({})
    await assert.rejects(failing('runtime_unavailable'), { code: 'no_capacity' })
    await assert.rejects(failing('timeout'), { code: 'timeout' })
    await assert.rejects(failing('peer_unreachable'), { code: 'upstream_failed' })
    await assert.rejects(failing('uri_too_long'), { code: 'uri_too_long' })
  })

  it('sends no credentials on', async () => {
    const { ask, sent } = gateway([testInstance({ groups: [] })])
    await ask({ headers: { authorization: 'Bearer sk', cookie: 'a', 'heddle-runtime': 'x', accept: '*/*' } })
    assert.deepEqual(sent[0]?.message.headers, { accept: '*/*' })
  })

  it('refuses paths that leave the service before it asks anybody', async () => {
    const { ask, sent } = gateway([testInstance({ groups: [] })])
    for (const path of ['/../x', '//x', 'x', '/%2e%2e/x'])
      await assert.rejects(ask({ path }), { code: 'invalid_request' })
    assert.equal(sent.length, 0)
  })

  it('ends with the reason of its signal', async () => {
    const { ask } = gateway([testInstance({ groups: [] })], away)
    await assert.rejects(ask({}, AbortSignal.abort(new Error('the client left'))), { message: 'the client left' })
  })
})

describe('serveService, names and nodes', () => {
  it('says which service was meant', async () => {
    const { ask } = gateway([testInstance({ service: 'whisper' })])
    await assert.rejects(ask({ service: 'wisper' }), { code: 'not_found', message: /did you mean "whisper"/ })
    await assert.rejects(ask({ service: 'zzzzzzzz' }), {
      code: 'not_found',
      message: 'nobody offers the service "zzzzzzzz"',
    })
  })

  it('says that nobody is ready', async () => {
    const { ask } = gateway([testInstance({ groups: [], state: 'unhealthy', reason: 'down' })])
    await assert.rejects(ask({}), { code: 'no_capacity' })
  })

  it('asks the one node that was named, and names what it offers', async () => {
    const { ask, nodes } = gateway([
      testInstance({ node: 'a', service: 'asr', groups: ['model=zzz'] }),
      testInstance({ node: 'b', service: 'asr' }),
      testInstance({ node: 'b', service: 'ocr', groups: [] }),
    ])
    await ask({ node: asNodeId('a') })
    await ask({ node: asNodeId('a'), service: undefined })
    await ask({ node: asNodeId('b'), service: 'ocr' })
    assert.deepEqual(nodes(), ['a', 'a', 'b'])
    await assert.rejects(ask({ node: asNodeId('a'), service: 'ocr' }), {
      code: 'not_found',
      message: /it offers "asr"/,
    })
    await assert.rejects(ask({ node: asNodeId('b'), service: undefined }), {
      code: 'invalid_request',
      message: /"asr", "ocr"/,
    })
    await assert.rejects(ask({ node: asNodeId('c') }), { code: 'not_found', message: /no node "c"/ })
  })
})

describe('serveService and models', () => {
  const llm = [
    testInstance({ node: 'a', service: 'llm', groups: ['model=a'] }),
    testInstance({ node: 'b', service: 'llm', groups: ['model=b'] }),
  ]
  const chat = { service: 'llm', path: '/v1/chat/completions', headers: JSON_TYPE }
  const bound = { ...ADMITTED, limitsModels: true, allowsModel: (model: string) => model === 'a' }

  it('goes by the model of the body, whatever a header says', async () => {
    const { ask, nodes } = gateway(llm)
    await ask({ ...chat, body: stream('{"model":"b"}'), fields: new Map([['model', 'a']]) })
    assert.deepEqual(nodes(), ['b'])
    await assert.rejects(ask({ ...chat, body: Buffer.from('{"model":"c"}') }), { code: 'model_not_found' })
    await assert.rejects(ask({ ...chat, body: Buffer.from('{}') }), { code: 'invalid_request' })
    await assert.rejects(ask({ ...chat, body: undefined }), { code: 'invalid_request' })
  })

  it('keeps a key to its models, in what the provider reads too', async () => {
    const { ask, sent } = gateway(llm)
    await assert.rejects(ask({ ...chat, body: Buffer.from('{"model":"b"}'), admitted: bound }), {
      code: 'model_not_allowed',
    })
    await ask({ ...chat, body: Buffer.from('{"model":"b","model":"a"}'), admitted: bound })
    assert.equal(Buffer.from(sent[0]?.message.body as Uint8Array).toString(), '{"model":"a"}')
    await assert.rejects(ask({ service: 'asr', admitted: bound }), { code: 'insufficient_scope' })
    await assert.rejects(ask({ ...chat, method: 'GET', path: '/v1/models', admitted: bound }), {
      code: 'insufficient_scope',
    })
  })

  it('needs no model to list the models of a node', async () => {
    const { ask, nodes } = gateway(llm)
    await ask({ service: 'llm', method: 'GET', path: '/v1/models', node: asNodeId('b') })
    assert.deepEqual(nodes(), ['b'])
  })
})
