/** A request is answered the same whether it arrives in one piece, which has a short path of its own, or in several. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openRawSocket, type RawReply, repliesIn, requestText } from '../support/raw-socket.ts'
import { chat, startTestNode, type TestNode } from '../support/test-node.ts'

const CHAT = '/v1/chat/completions'

interface Case {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** UTF-8 where it is missing. */
  readonly encoding?: 'latin1'
}

const HELLO = JSON.stringify(chat('demo'))
const STREAM = JSON.stringify(chat('demo', 'Hi', { stream: true }))

/** By what is asked; each with a good key and type where it says nothing else. */
const CASES: Readonly<Record<string, Case>> = {
  'a chat': { body: HELLO },
  'a stream': { body: STREAM },
  'a stream with usage': {
    body: JSON.stringify(chat('demo', 'Hi', { stream: true, stream_options: { include_usage: true } })),
  },
  'a completion': { path: '/v1/completions', body: '{"model":"demo","prompt":"x"}' },
  embeddings: { path: '/v1/embeddings', body: '{"model":"demo","input":["x","y"]}' },
  'embeddings in base64': { path: '/v1/embeddings', body: '{"model":"demo","input":"x","encoding_format":"base64"}' },
  'text beyond ASCII': { body: JSON.stringify(chat('demo', 'größe 😀 ﷽')) },
  'a long body': { body: JSON.stringify(chat('demo', 'word '.repeat(3_000))) },
  'a long answer': { body: JSON.stringify(chat('long')) },
  'an unknown model': { body: JSON.stringify(chat('demp')) },
  'an unknown model of odd characters': { body: JSON.stringify(chat('d\u00e9m\u{1f600}\n')) },
  'malformed JSON': { body: '{"model":' },
  'no body': { body: '' },
  'a wrong type': { body: JSON.stringify({ model: 'demo', messages: 7 }) },
  'deep nesting': { body: `{"model":"demo","messages":${'['.repeat(30_000)}${']'.repeat(30_000)}}` },
  'bytes that are not UTF-8': { body: '{"model":"demo\u00ff"}', encoding: 'latin1' },
  'a failing runtime': { body: JSON.stringify(chat('broken')) },
  'a stream that fails at once': { body: JSON.stringify(chat('broken', 'x', { stream: true })) },
  'a stream that fails later': { body: JSON.stringify(chat('late', 'x', { stream: true })) },
  'no key': { headers: { authorization: '' }, body: HELLO },
  'a wrong key': { headers: { authorization: 'Bearer sk-heddle-wrong' }, body: HELLO },
  'two keys': { headers: { 'x-api-key': 'sk-heddle-wrong' }, body: HELLO },
  'another host': { headers: { host: 'attacker.test' }, body: HELLO },
  'a listed origin': { headers: { origin: 'http://localhost:3000' }, body: STREAM },
  'a foreign origin': { headers: { origin: 'https://attacker.test' }, body: HELLO },
  'another type': { headers: { 'content-type': 'text/plain' }, body: HELLO },
  'JSON with a charset': { headers: { 'content-type': 'application/json; charset=utf-8' }, body: HELLO },
  'no type': { headers: { 'content-type': '' }, body: HELLO },
  'an id of its own': { headers: { 'x-client-request-id': 'mine-1' }, body: HELLO },
  'an id that is none': { headers: { 'x-client-request-id': 'a b' }, body: HELLO },
  'headers of a proxy': {
    headers: { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', via: '1.1 x' },
    body: HELLO,
  },
  'a header in Latin-1': { headers: { 'x-name': 'caf\u00e9' }, body: HELLO },
  'an empty header': { headers: { 'x-empty': '' }, body: HELLO },
  'the end of the connection': { headers: { connection: 'close' }, body: HELLO },
  'to keep the connection': { headers: { connection: 'keep-alive' }, body: HELLO },
  'a limited key': { headers: { authorization: 'Bearer LIMITED' }, body: HELLO },
}

/** Different in every answer. */
const OWN_VALUES =
  /"(id|x-request-id|date|x-heddle-overhead-ms|created|x-ratelimit-remaining-requests|x-ratelimit-reset-requests)":("[^"]*"|\d+)/g

describe('a request in one piece and in several', () => {
  let node: TestNode
  let limitedKey = ''
  before(async () => {
    const scripts = [
      'demo?tokens=5',
      'long?tokens=9000&context=100000',
      'broken?fail=error',
      'late?fail=cut&fail_at=2&rate=100',
    ]
    node = await startTestNode({ HEDDLE_RUNTIMES: scripts.map((script) => `script:${script}`).join(',') })
    const admin = { authorization: `Bearer ${node.adminKey}` }
    const made = await node.post('/api/v1/keys', { name: 'limited', rpm: 100 }, { headers: admin })
    assert.equal(made.status, 201)
    limitedKey = ((await made.json()) as { secret: string }).secret
  })
  after(() => node[Symbol.asyncDispose]())

  const answerTo = async (pieces: readonly Buffer[]): Promise<RawReply> => {
    using socket = await openRawSocket(node.url)
    for (const piece of pieces) {
      socket.write(piece)
      // Each piece is a packet of its own, which the server sees alone.
      await new Promise((resolve) => setTimeout(resolve, pieces.length > 1 ? 15 : 0))
    }
    const [reply] = repliesIn(await socket.until((text) => repliesIn(text).length > 0))
    assert.ok(reply)
    return reply
  }
  const comparable = ({ status, headers, body }: RawReply): unknown => {
    const sorted = Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)))
    return {
      status,
      headers: JSON.stringify(sorted).replace(OWN_VALUES, ''),
      body: body.replace(OWN_VALUES, '').replaceAll(/req_[0-9a-z]+/g, ''),
    }
  }

  for (const [name, { path = CHAT, headers = {}, body: text = '', encoding = 'utf8' }] of Object.entries(CASES)) {
    it(`is answered the same: ${name}`, async () => {
      const body = Buffer.from(text, encoding)
      const fields: Record<string, string> = {
        authorization: `Bearer ${node.key}`,
        'content-type': 'application/json',
        'content-length': String(body.length),
        ...headers,
      }
      for (const [field, value] of Object.entries(fields)) {
        if (value === '' && headers[field] === '' && field !== 'x-empty') delete fields[field]
        else fields[field] = value.replace('LIMITED', limitedKey)
      }
      const head = Buffer.from(requestText('POST', path, fields), 'latin1')
      const bytes = Buffer.concat([head, body])
      const whole = await answerTo([bytes])
      const parts = await answerTo([
        bytes.subarray(0, 30),
        bytes.subarray(30, head.length + 3),
        bytes.subarray(head.length + 3),
      ])
      assert.deepEqual(comparable(whole), comparable(parts))
    })
  }

  it('may change from one to the other and back on one connection', async () => {
    using socket = await openRawSocket(node.url)
    const headers = { authorization: `Bearer ${node.key}`, 'content-type': 'application/json' }
    const plain = requestText('POST', CHAT, headers, HELLO)
    const stream = requestText('POST', CHAT, headers, STREAM)
    const list = requestText('GET', '/v1/models', { authorization: `Bearer ${node.key}` })
    let expected = 0
    for (const turn of [plain, stream, plain + plain, list, plain, stream + list + plain]) {
      socket.write(turn)
      expected += turn.split(' HTTP/1.1\r\n').length - 1
      await socket.until((text) => repliesIn(text).length >= expected)
    }
    const statuses = repliesIn(socket.received()).map(({ status }) => status)
    assert.deepEqual(
      statuses,
      Array.from({ length: expected }, () => 200),
    )
  })
})
