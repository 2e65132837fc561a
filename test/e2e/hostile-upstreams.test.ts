/** Runtimes whose HTTP itself is broken or hostile: nobody gets another's answer, and nothing hangs. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { chunkEvent, wholeAnswer } from '../support/fake-upstream.ts'
import { errorIn } from '../support/raw-socket.ts'
import { type RawAnswer, type RawUpstream, rawAnswer, startRawUpstream } from '../support/raw-upstream.ts'
import { chat, eventsOf, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'
const FINE = JSON.stringify(wholeAnswer('fine'))
const POISON = JSON.stringify(wholeAnswer('poison'))
const JSON_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

const say =
  (text: string): RawAnswer =>
  (socket) =>
    void socket.write(text)
const sayAndClose =
  (text: string): RawAnswer =>
  (socket) =>
    void socket.end(text)
const framed = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
/** Writes `parts` a moment apart. */
const slowly =
  (...parts: readonly string[]): RawAnswer =>
  (socket) => {
    const [part, ...rest] = parts
    if (part === undefined) return
    socket.write(part)
    setTimeout(() => slowly(...rest)(socket), 30)
  }

/** Unusual, and valid. */
const VALID: Readonly<Record<string, RawAnswer>> = {
  'in-single-bytes': (socket) => {
    for (const byte of Buffer.from(rawAnswer(FINE))) socket.write(Buffer.of(byte))
  },
  'in-two-halves-of-the-head': slowly(rawAnswer(FINE).slice(0, 20), rawAnswer(FINE).slice(20)),
  'after-continue': say(`HTTP/1.1 100 Continue\r\n\r\n${rawAnswer(FINE)}`),
  'after-early-hints': say(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${rawAnswer(FINE)}`),
  'without-reason': say(rawAnswer(FINE).replace('200 OK', '200 ')),
  'until-closed': sayAndClose(`HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${FINE}`),
  'until-closed-in-1.1': sayAndClose(`${JSON_HEAD}connection: close\r\n\r\n${FINE}`),
  'in-chunks': say(
    `${JSON_HEAD}transfer-encoding: chunked\r\n\r\n${framed(FINE.slice(0, 9))}${framed(FINE.slice(9))}0\r\n\r\n`,
  ),
  'in-chunks-with-extensions': say(
    `${JSON_HEAD}transfer-encoding: chunked\r\n\r\n${framed(FINE).replace('\r\n', ';a=b;c="d"\r\n')}0;last\r\n\r\n`,
  ),
  'in-chunks-with-trailers': say(
    `${JSON_HEAD}transfer-encoding: chunked\r\n\r\n${framed(FINE)}0\r\nx-trailer: yes\r\nx-other: no\r\n\r\n`,
  ),
  'in-upper-case-chunks': say(
    `${JSON_HEAD}Transfer-Encoding: CHUNKED\r\n\r\n${framed(FINE).replace(/^[^\r]+/, (size) => size.toUpperCase().padStart(6, '0'))}0\r\n\r\n`,
  ),
  'with-space-around-values': say(
    rawAnswer(FINE)
      .replace(/content-length: /, 'Content-Length: \t ')
      .replace(/json\r/, 'json \t\r'),
  ),
}

/** Not HTTP, or ambiguous: the exchange is over and its connection is not used again. */
const INVALID: Readonly<Record<string, RawAnswer>> = {
  'two-lengths': say(`${JSON_HEAD}content-length: 5\r\ncontent-length: ${FINE.length}\r\n\r\n${FINE}`),
  'a-list-of-lengths': say(`${JSON_HEAD}content-length: 5, ${FINE.length}\r\n\r\n${FINE}`),
  'a-negative-length': say(`${JSON_HEAD}content-length: -1\r\n\r\n${FINE}`),
  'a-length-in-hex': say(`${JSON_HEAD}content-length: 0x10\r\n\r\n${FINE}`),
  'length-and-chunks': say(
    `${JSON_HEAD}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${rawAnswer(POISON)}`,
  ),
  'an-unknown-coding': say(`${JSON_HEAD}transfer-encoding: rot13\r\n\r\n${FINE}`),
  'a-chunk-size-that-is-none': say(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n${FINE}\r\n0\r\n\r\n`),
  'a-chunk-size-with-a-sign': say(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n`),
  'a-chunk-size-beyond-64-bits': say(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n${FINE}`),
  'a-chunk-longer-than-it-says': say(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n`),
  'a-space-before-the-colon': say(`HTTP/1.1 200 OK\r\ncontent-length : ${FINE.length}\r\n\r\n${FINE}`),
  'a-folded-field': say(`${JSON_HEAD}x-a: b\r\n c\r\ncontent-length: ${FINE.length}\r\n\r\n${FINE}`),
  'nul-in-a-field': say(`${JSON_HEAD}x-a: b\0c\r\ncontent-length: ${FINE.length}\r\n\r\n${FINE}`),
  'no-status': say(`HTTP/1.1 OK\r\ncontent-length: 2\r\n\r\n{}`),
  'a-status-of-99': say(`HTTP/1.1 099 Low\r\ncontent-length: 2\r\n\r\n{}`),
  'another-protocol': say('RTSP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
  'endless-headers': (socket) => {
    const more = (): void => {
      if (!socket.destroyed && socket.write(`x-${'h'.repeat(500)}: 1\r\n`)) setImmediate(more)
    }
    socket.write('HTTP/1.1 200 OK\r\n')
    more()
  },
  'cut-in-the-head': sayAndClose('HTTP/1.1 200 OK\r\ncontent-le'),
  'cut-in-the-body': sayAndClose(`${JSON_HEAD}content-length: 5000\r\n\r\n${FINE}`),
  'cut-in-a-chunk': sayAndClose(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\nff\r\n{"id"`),
  'cut-before-the-last-chunk': sayAndClose(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n${framed(FINE)}`),
  'nothing-at-all': sayAndClose(''),
  'a-reset': (socket) => void socket.resetAndDestroy(),
}

describe('an upstream', () => {
  let upstream: RawUpstream
  let node: TestNode
  const held: Socket[] = []
  before(async () => {
    upstream = await startRawUpstream({
      ...VALID,
      ...INVALID,
      fine: say(rawAnswer(FINE)),
      'ahead-at-once': say(rawAnswer(FINE) + rawAnswer(POISON)),
      'ahead-later': slowly(rawAnswer(FINE), rawAnswer(POISON)),
      'longer-than-said': say(rawAnswer(FINE) + POISON),
      'then-closes': sayAndClose(rawAnswer(FINE)),
      held: (socket) => void held.push(socket),
      stream: say(
        `${STREAM_HEAD}${framed(chunkEvent('fine'))}${framed(`${chunkEvent('', 'stop')}data: [DONE]\n\n`)}0\r\n\r\n`,
      ),
      'stream-bad-frame': slowly(`${STREAM_HEAD}${framed(chunkEvent('begun'))}`, 'zz\r\n'),
    })
    node = await startTestNode({ HEDDLE_RUNTIMES: upstream.spec })
    await waitUntil(() => node.node.models().includes('fine'), 'the runtime')
  })
  after(async () => {
    await node[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const ask = (model: string, stream = false, signal?: AbortSignal): Promise<Response> =>
    node.post(CHAT, chat(model, 'Hi', { stream }), signal === undefined ? {} : { signal })
  const contentOf = async (response: Response): Promise<string | undefined> => {
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]?.message.content
  }
  const inFlight = async (): Promise<number | undefined> => {
    const list = (await (await node.get('/api/v1/runtimes', node.adminKey)).json()) as {
      runtimes: { inFlight: number }[]
    }
    return list.runtimes[0]?.inFlight
  }
  /** That whoever asks next gets an answer of its own, on whatever connection. */
  const nextIsFine = async (): Promise<void> => {
    for (let round = 0; round < 4; round += 1) assert.equal(await contentOf(await ask('fine')), 'fine')
  }

  for (const model of Object.keys(VALID)) {
    it(`may answer in an unusual way: ${model}`, async () => {
      assert.equal(await contentOf(await ask(model)), 'fine')
      await nextIsFine()
    })
  }

  for (const model of Object.keys(INVALID)) {
    it(`that breaks HTTP is a 502, and its connection is not used again: ${model}`, async () => {
      const response = await ask(model)
      const text = await response.text()
      assert.equal(response.status, 502, text)
      assert.equal(errorIn(text).code, 'upstream_failed')
      assert.doesNotMatch(text, /poison/)
      await nextIsFine()
    })
  }

  for (const model of ['ahead-at-once', 'ahead-later', 'longer-than-said', 'then-closes']) {
    it(`that says more than it was asked for answers nobody else: ${model}`, async () => {
      for (let round = 0; round < 3; round += 1) {
        const response = await ask(model)
        const text = await response.text()
        assert.doesNotMatch(text, /poison/)
        assert.ok([200, 502].includes(response.status), text)
        if (round === 1) await new Promise((resolve) => setTimeout(resolve, 60))
        await nextIsFine()
      }
    })
  }

  it('whose client left is not asked for another on the same connection until it has ended', async () => {
    for (let round = 0; round < 5; round += 1) {
      const leaving = new AbortController()
      const asking = ask('held', false, leaving.signal).catch(() => undefined)
      await waitUntil(() => held.length > round, 'the request')
      leaving.abort()
      await asking
      await waitUntil(async () => (await inFlight()) === 0, 'the request to be given up', 2_000)
      // What comes too late belongs to nobody.
      held[round]?.write(rawAnswer(POISON))
      await nextIsFine()
    }
    await waitUntil(() => held.every(({ destroyed }) => destroyed), 'the connections to be closed', 2_000)
  })

  it('that keeps its connections is asked on the same ones again', async () => {
    await nextIsFine()
    const before = upstream.connections()
    for (let round = 0; round < 20; round += 1) assert.equal(await contentOf(await ask('fine')), 'fine')
    assert.ok(upstream.connections() - before <= 2, `${upstream.connections() - before} new connections`)
  })

  it('streams, and is told apart when its frames break', async () => {
    const good = eventsOf(await (await ask('stream', true)).text())
    assert.equal(good.at(-1), '[DONE]')
    const broken = await ask('stream-bad-frame', true)
    const events = eventsOf(await broken.text())
    assert.equal(events.includes('[DONE]'), false)
    assert.equal(errorIn(events.at(-1) ?? '').code, 'upstream_interrupted')
    await nextIsFine()
  })

  it('leaves no slot taken', async () => {
    assert.equal(await inFlight(), 0)
  })
})
