/** Requests that are wrong as HTTP: too large, ambiguous, or sent in ways that attackers like. Over raw sockets. */
import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { limit } from '../../src/core/limits.ts'
import { answerWell, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts'
import { errorIn, exchangeRaw, openRawSocket, type RawReply, repliesIn, requestText } from '../support/raw-socket.ts'
import { chat, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'
const MIB = 1024 * 1024

describe('HTTP in', () => {
  let upstream: FakeUpstream
  let node: TestNode
  before(async () => {
    upstream = await startFakeUpstream({ counted: answerWell })
    node = await startTestNode({
      HEDDLE_RUNTIMES: `script:demo?tokens=3,script:slow?tokens=400&rate=100,${upstream.spec}`,
    })
    await waitUntil(() => node.node.models().includes('counted'), 'the runtime')
  })
  after(async () => {
    await node[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const auth = (): Record<string, string> => ({ authorization: `Bearer ${node.key}` })
  const json = (): Record<string, string> => ({ ...auth(), 'content-type': 'application/json' })
  const close = { connection: 'close' }

  /** The only answer to `text`, which must be an error in OpenAI's form with an id, after which the server closed. */
  const refused = async (text: string | Uint8Array): Promise<RawReply & { readonly code: string }> => {
    const replies = repliesIn(await exchangeRaw(node.url, text))
    assert.equal(replies.length, 1, JSON.stringify(replies))
    const [reply] = replies as [RawReply]
    assert.match(reply.headers['x-request-id'] ?? '', /^req_/)
    assert.match(reply.headers['content-type'] ?? '', /^application\/json/)
    return { ...reply, code: errorIn(reply.body).code }
  }

  const bodyOf = (bytes: number, content: (filler: string) => unknown): string => {
    const empty = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: content('') }] })
    return JSON.stringify({
      model: 'demo',
      messages: [{ role: 'user', content: content('x'.repeat(bytes - empty.length)) }],
    })
  }
  const image = (filler: string): unknown => [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${filler}` } },
  ]

  for (const [name, bytes, content, status, code] of [
    ['9 MB of text', 9 * MIB, (filler: string): unknown => filler, 413, 'payload_too_large'],
    ['9 MB with an image', 9 * MIB, image, 200, undefined],
    ['21 MB with an image', 21 * MIB, image, 413, 'payload_too_large'],
  ] as const) {
    it(`judges the size of ${name}: ${status}`, async () => {
      const response = await node.post(CHAT, bodyOf(bytes, content))
      const text = await response.text()
      assert.equal(response.status, status, text.slice(0, 200))
      if (status === 200) return
      const { code: found, metadata } = errorIn(text)
      assert.equal(found, code)
      assert.equal(typeof metadata['limit_bytes'], 'number')
    })
  }

  it('takes a body just below the limit', async () => {
    const response = await node.post(
      CHAT,
      bodyOf(8 * MIB - 10, (filler) => filler),
    )
    const text = await response.text()
    assert.ok(response.status === 200 || errorIn(text).code === 'context_length_exceeded', text.slice(0, 200))
  })

  it('refuses a declared body that is too large before it was sent, and closes', async () => {
    using socket = await openRawSocket(node.url)
    socket.write(requestText('POST', CHAT, { ...json(), 'content-length': String(21 * MIB) }))
    const [reply] = repliesIn(await socket.until((text) => repliesIn(text).length > 0))
    assert.equal(reply?.status, 413)
    assert.equal(reply.headers['connection'], 'close')
    await socket.untilEnded()
  })

  it('refuses a body without length once it is over the limit, and stops reading it', async () => {
    using socket = await openRawSocket(node.url)
    socket.write(requestText('POST', CHAT, { ...json(), 'transfer-encoding': 'chunked' }))
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 'x'), Buffer.from('\r\n')])
    let sentBytes = 0
    const send = (): void => {
      while (!socket.ended() && !socket.closed() && socket.socket.writable) {
        sentBytes += 65_536
        if (!socket.socket.write(chunk)) return void socket.socket.once('drain', send)
      }
    }
    send()
    const [reply] = repliesIn(await socket.until((text) => repliesIn(text).length > 0))
    assert.equal(reply?.status, 413)
    assert.equal(errorIn(reply.body).code, 'payload_too_large')
    assert.ok(sentBytes >= 20 * MIB)
    assert.equal(repliesIn(await socket.untilEnded()).length, 1)
  })

  it('refuses 20 KB of headers: 431', async () => {
    const { status, code } = await refused(
      requestText('GET', '/v1/models', { ...auth(), 'x-filler': 'f'.repeat(20_480) }),
    )
    assert.deepEqual([status, code], [431, 'headers_too_large'])
  })

  it('refuses 20 KB of headers that arrive in pieces, and its answer arrives', async () => {
    using socket = await openRawSocket(node.url)
    socket.write('GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n')
    for (let piece = 0; piece < 40 && !socket.closed(); piece += 1) {
      socket.write(`x-filler-${piece}: ${'f'.repeat(500)}\r\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const replies = repliesIn(await socket.untilEnded())
    assert.deepEqual(
      replies.map(({ status }) => status),
      [431],
    )
    assert.equal(socket.errorCode(), undefined)
  })

  it('takes 100 header fields and refuses 101', async () => {
    const fields = (count: number): Record<string, string> => ({
      ...auth(),
      ...close,
      // `host`, `authorization` and `connection` are three of them.
      ...Object.fromEntries(Array.from({ length: count - 3 }, (_, index) => [`x-${index}`, '1'])),
    })
    const [fine] = repliesIn(await exchangeRaw(node.url, requestText('GET', '/v1/models', fields(100))))
    assert.equal(fine?.status, 200)
    const { status, code } = await refused(requestText('GET', '/v1/models', fields(101)))
    assert.deepEqual([status, code], [431, 'headers_too_large'])
    assert.equal((await refused(requestText('GET', '/v1/models', fields(400)))).status, 431)
  })

  it('refuses a URL of 9 KB: 414', async () => {
    for (const path of [`/v1/models/${'m'.repeat(9_216)}`, `/v1/models?x=${'m'.repeat(9_216)}`]) {
      const { status, code } = await refused(requestText('GET', path, { ...auth(), ...close }))
      assert.deepEqual([status, code], [414, 'uri_too_long'])
    }
    const { status } = await refused(
      requestText('POST', `${CHAT}?x=${'m'.repeat(9_216)}`, { ...json(), ...close }, '{}'),
    )
    assert.equal(status, 414)
  })

  it('answers pipelined requests in their order', async () => {
    using socket = await openRawSocket(node.url)
    const first = requestText('POST', CHAT, json(), JSON.stringify(chat('demo', 'one', { stream: true })))
    const second = requestText('GET', '/v1/models', auth())
    const third = requestText('POST', CHAT, json(), JSON.stringify(chat('nobody')))
    const fourth = requestText('POST', CHAT, json(), JSON.stringify(chat('demo', 'two')))
    socket.write(first + second + third + fourth)
    const replies = repliesIn(await socket.until((text) => repliesIn(text).length === 4))
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 404, 200],
    )
    assert.match(replies[0]?.body ?? '', /\[DONE\]\n\n$/)
    assert.match(replies[1]?.body ?? '', /"object":"list"/)
    assert.match(replies[3]?.body ?? '', /"object":"chat.completion"/)
    assert.equal(new Set(replies.map(({ headers }) => headers['x-request-id'])).size, 4)
  })

  it('lets a malformed request after a streaming one write nothing into the stream', async () => {
    using socket = await openRawSocket(node.url)
    socket.write(requestText('POST', CHAT, json(), JSON.stringify(chat('slow', 'one', { stream: true }))))
    await socket.until((text) => text.includes('data: '))
    socket.write('THIS IS NOT HTTP\r\n\r\n')
    const [, stream = '', refusal] = (await socket.untilEnded()).split('HTTP/1.1 ')
    assert.doesNotMatch(stream, /invalid_request/)
    // Where anything follows the stream, the stream came to its end first.
    if (refusal !== undefined) {
      assert.match(stream, /data: \[DONE\]\n\n\r\n0\r\n\r\n$/)
      assert.match(refusal, /^400 /)
    }
    await nothingInFlight()
  })

  it('uses one connection for many requests, and says when it is the last one', async () => {
    using socket = await openRawSocket(node.url)
    const count = limit('requestsPerSocket')
    const text = requestText('GET', '/livez')
    for (let sent = 0; sent < count; sent += 50) {
      socket.write(text.repeat(50))
      await socket.until((received) => received.split('HTTP/1.1 200').length - 1 >= sent + 50)
    }
    const replies = repliesIn(await socket.untilEnded())
    assert.equal(replies.length, count)
    assert.equal(replies.at(-1)?.headers['connection'], 'close')
    assert.equal(replies.at(-2)?.headers['connection'], 'keep-alive')
  })

  it('keeps a connection after refusals of small requests', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    const ask = (body: string, headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const outgoing = httpRequest(
          node.url + CHAT,
          { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } },
          (response) => {
            ports.add(response.socket.localPort)
            response.resume().on('end', () => resolve(response.statusCode))
          },
        )
        outgoing.on('error', reject).end(body)
      })
    assert.equal(await ask('{', json()), 400)
    assert.equal(await ask('{}', { ...json(), authorization: 'Bearer sk-heddle-nobody' }), 401)
    assert.equal(await ask('{}', { ...auth(), 'content-type': 'text/plain' }), 415)
    assert.equal(await ask('{}', { ...json(), host: 'attacker.test' }), 421)
    assert.equal(await ask(JSON.stringify(chat('nobody')), json()), 404)
    assert.equal(await ask(JSON.stringify(chat('demo')), json()), 200)
    agent.destroy()
    assert.equal(ports.size, 1)
  })

  it('answers what asks for a continuation, and invites no body that it will refuse', async () => {
    const body = JSON.stringify(chat('demo'))
    using socket = await openRawSocket(node.url)
    socket.write(
      requestText('POST', CHAT, { ...json(), expect: '100-continue', 'content-length': String(body.length) }),
    )
    await socket.until((text) => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
    socket.write(body)
    const replies = repliesIn(await socket.until((text) => repliesIn(text).length === 1))
    assert.equal(replies[0]?.status, 200)
    for (const [headers, status] of [
      [{ ...json(), authorization: 'Bearer sk-heddle-nobody' }, 401],
      [{ ...json(), 'content-type': 'text/plain' }, 415],
      [{ ...json(), 'content-length': String(30 * MIB) }, 413],
    ] as const) {
      using other = await openRawSocket(node.url)
      const length = 'content-length' in headers ? {} : { 'content-length': String(MIB) }
      other.write(requestText('POST', CHAT, { ...headers, ...length, expect: '100-continue' }))
      const text = await other.until((received) => received.includes('\r\n\r\n'))
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
    }
    using admin = await openRawSocket(node.url)
    const key = JSON.stringify({ name: 'x' })
    admin.write(
      requestText('POST', '/api/v1/keys', {
        ...json(),
        authorization: `Bearer ${node.adminKey}`,
        expect: '100-continue',
        'content-length': String(key.length),
      }),
    )
    await admin.until((text) => text.startsWith('HTTP/1.1 100 Continue'))
    admin.write(key)
    const made = repliesIn(await admin.until((text) => repliesIn(text).length === 1))
    assert.equal(made[0]?.status, 201)
  })

  const COUNTED = JSON.stringify(chat('counted'))
  const VICTIM = `POST ${CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer KEY\r\ncontent-type: application/json\r\ncontent-length: ${COUNTED.length}\r\n\r\n${COUNTED}`
  const HEAD = `POST ${CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer KEY\r\ncontent-type: application/json\r\n`
  /** Each wants a second request to be found where another parser finds none. */
  const SMUGGLING: Readonly<Record<string, string>> = {
    'CL.TE': `${HEAD}content-length: ${5 + VICTIM.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${VICTIM}`,
    'TE.CL': `${HEAD}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${VICTIM.length.toString(16)}\r\n${VICTIM}\r\n0\r\n\r\n`,
    'TE.TE with an unknown coding': `${HEAD}transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n${VICTIM}`,
    'TE.TE, the unknown one alone': `${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${VICTIM}`,
    'TE.TE, chunked not last': `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${VICTIM}`,
    'TE with a vertical tab': `${HEAD}transfer-encoding:\vchunked\r\n\r\n0\r\n\r\n${VICTIM}`,
    'TE in quotes': `${HEAD}transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n${VICTIM}`,
    'a space before the colon': `${HEAD}content-length : 0\r\n\r\n${VICTIM}`,
    'a space before the colon of TE': `${HEAD}transfer-encoding : chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n${VICTIM}`,
    'bare LF after a field': `${HEAD}content-length: 0\n\r\n${VICTIM}`,
    'bare LF everywhere': `${HEAD}content-length: 0\r\n\r\n${VICTIM}`.replaceAll('\r\n', '\n'),
    'bare CR in a field': `${HEAD}x-a: b\rcontent-length: 0\r\n\r\n${VICTIM}`,
    'a folded field': `${HEAD}content-length:\r\n 0\r\n\r\n${VICTIM}`,
    'a folded TE': `${HEAD}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n${VICTIM}`,
    'a space at the start of a field': `${HEAD} content-length: 0\r\n\r\n${VICTIM}`,
    'two different lengths': `${HEAD}content-length: 0\r\ncontent-length: ${VICTIM.length}\r\n\r\n${VICTIM}`,
    'the same length twice': `${HEAD}content-length: 0\r\ncontent-length: 0\r\n\r\n${VICTIM}`,
    'a list of lengths': `${HEAD}content-length: 0, 0\r\n\r\n${VICTIM}`,
    'a length with a sign': `${HEAD}content-length: +0\r\n\r\n${VICTIM}`,
    'a negative length': `${HEAD}content-length: -1\r\n\r\n${VICTIM}`,
    'a hexadecimal length': `${HEAD}content-length: 0x0\r\n\r\n${VICTIM}`,
    'a length beyond 64 bits': `${HEAD}content-length: 18446744073709551616\r\n\r\n${VICTIM}`,
    'a chunk size with a sign': `${HEAD}transfer-encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n${VICTIM}`,
    'a chunk size beyond 64 bits': `${HEAD}transfer-encoding: chunked\r\n\r\n10000000000000000\r\n\r\n${VICTIM}`,
    'a chunk size in 0x': `${HEAD}transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n${VICTIM}`,
    'bare LF after a chunk size': `${HEAD}transfer-encoding: chunked\r\n\r\n0\n\n${VICTIM}`,
    'a chunk extension that ends with bare LF': `${HEAD}transfer-encoding: chunked\r\n\r\n0;x\n\r\n${VICTIM}`,
    'a chunk longer than it says': `${HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n${VICTIM}`,
    'NUL in a field': `${HEAD}x-a: b\0c\r\ncontent-length: 0\r\n\r\n${VICTIM}`,
    'a field name with a line break encoded': `${HEAD}x\u0001a: b\r\ncontent-length: 0\r\n\r\n${VICTIM}`,
    'a request line of HTTP/0.9': `POST ${CHAT}\r\n\r\n${VICTIM}`,
    'HTTP/2 over plain TCP': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${VICTIM}`,
    'a tab for a space in the request line': HEAD.replace(' HTTP', '\tHTTP') + `content-length: 0\r\n\r\n${VICTIM}`,
    'two hosts': `${HEAD}host: attacker.test\r\ncontent-length: 0\r\n\r\n${VICTIM}`,
    'no host': `${HEAD.replace('host: 127.0.0.1\r\n', '')}content-length: 0\r\n\r\n${VICTIM}`,
  }
  for (const [name, text] of Object.entries(SMUGGLING)) {
    it(`smuggles nothing: ${name}`, async () => {
      const before = upstream.requests('counted')
      const received = await exchangeRaw(node.url, text.replaceAll('KEY', node.key))
      const replies = repliesIn(received)
      assert.ok(replies.length <= 1, `${replies.length} answers: ${received}`)
      assert.equal(upstream.requests('counted'), before, 'a hidden request reached the runtime')
      // HTTP/2's preface gets no answer in HTTP/1.1.
      if (name === 'HTTP/2 over plain TCP' && replies.length === 0) return
      assert.equal(replies[0]?.status, 400, received)
      assert.match(replies[0]?.headers['x-request-id'] ?? '', /^req_/)
      assert.equal(replies[0]?.headers['connection'], 'close')
      errorIn(replies[0]?.body ?? '')
    })
  }

  it('forwards no header that a client made up, and rebuilds the framing', async () => {
    const headers = {
      ...json(),
      'x-api-key': node.key,
      cookie: 'canary=1',
      'x-forwarded-host': 'attacker.test',
      te: 'trailers',
      'transfer-encoding': 'chunked',
      'x-custom': 'canary',
      ...close,
    }
    const body = `${COUNTED.length.toString(16)};ext=1\r\n${COUNTED}\r\n0\r\nx-trailer: canary\r\n\r\n`
    const [reply] = repliesIn(await exchangeRaw(node.url, requestText('POST', CHAT, headers, body)))
    assert.equal(reply?.status, 200)
    const seen = upstream.seen.at(-1)
    assert.equal(seen?.headers['content-length'], String(COUNTED.length))
    assert.equal(seen.headers['transfer-encoding'], undefined)
    const text = JSON.stringify(seen.headers)
    assert.doesNotMatch(text, /canary|attacker|sk-heddle/)
  })

  it('closes on CONNECT and treats an upgrade as a plain request', async () => {
    assert.equal(await exchangeRaw(node.url, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'), '')
    const upgrade = requestText('GET', '/livez', { connection: 'upgrade, close', upgrade: 'websocket' })
    const [reply] = repliesIn(await exchangeRaw(node.url, upgrade))
    assert.equal(reply?.status, 200)
  })

  it('answers only to its own names: 421, whatever form the target has', async () => {
    for (const host of [
      'attacker.test',
      'attacker.test:11440',
      '127.0.0.1.attacker.test',
      'localhost.attacker.test',
      '[::2]',
      '',
    ]) {
      const { status, code } = await refused(requestText('GET', '/v1/models', { ...auth(), ...close, host }))
      assert.ok(status === 421 || (host === '' && status === 400), `${status} for ${host}`)
      if (status === 421) assert.equal(code, 'misdirected_request')
    }
    const absolute = requestText('GET', 'http://attacker.test/v1/models', { ...auth(), ...close })
    assert.equal((await refused(absolute)).status, 421)
    const own = requestText('GET', 'http://localhost/v1/models', { ...auth(), ...close, host: 'localhost' })
    assert.equal(repliesIn(await exchangeRaw(node.url, own))[0]?.status, 200)
  })

  it('lets no foreign page change anything, and counts no guess for it', async () => {
    const admin = { authorization: `Bearer ${node.adminKey}`, ...close }
    const routes = [
      ['POST', CHAT, COUNTED],
      ['POST', '/v1/completions', '{"model":"counted","prompt":"x"}'],
      ['POST', '/v1/embeddings', '{"model":"counted","input":"x"}'],
      ['POST', '/api/v1/keys', '{"name":"stolen"}'],
      ['POST', '/api/v1/runtimes', '{"spec":"script:stolen"}'],
      ['POST', '/api/v1/models/pull', '{"ref":"/etc/passwd"}'],
      ['POST', '/api/v1/shutdown', '{}'],
    ] as const
    const before = upstream.seen.length
    for (const [method, path, body] of routes) {
      for (const headers of [
        { 'content-type': 'text/plain', origin: 'https://attacker.test' },
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'cross-site' },
        { 'content-type': 'application/json', origin: 'https://attacker.test' },
        { 'content-type': 'application/json', origin: 'null' },
      ]) {
        const { status } = await refused(requestText(method, path, { ...admin, ...headers }, body))
        assert.ok(status >= 400 && status < 500, `${status} for ${method} ${path} ${JSON.stringify(headers)}`)
      }
    }
    assert.equal(upstream.seen.length, before)
    const keys = await (await node.get('/api/v1/keys', node.adminKey)).text()
    const runtimes = await (await node.get('/api/v1/runtimes', node.adminKey)).text()
    assert.doesNotMatch(keys + runtimes, /stolen/)
    assert.equal((await node.get('/livez')).status, 200)
  })

  const nothingInFlight = async (): Promise<void> => {
    await waitUntil(async () => {
      const status = (await (await node.get('/api/v1/status')).json()) as { nodes: { inFlight: number }[] }
      return status.nodes[0]?.inFlight === 0
    }, 'the slots to be free')
  }

  it('leaves nothing in flight', nothingInFlight)
})
