/** Clients that are slow, stop reading, or leave: what they hold is bounded in time and memory, and given back. Waits run side by side. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limit } from '../../src/core/limits.ts'
import type { RequestView } from '../../src/core/wire/admin-accounts.ts'
import { beginStream, chunkEvent, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts'
import { errorIn, openRawSocket, type RawSocket, repliesIn, requestText } from '../support/raw-socket.ts'
import { chat, eventsOf, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'
/** What a busy machine may add to a wait. */
const SLACK_MS = 1_500
const SLOW_SOCKETS = 100
const STALLED_READERS = 8
const FINITE_EVENTS = 600

/** What one stalled stream may hold (T18). */
const HELD_BYTES = 512 * 1024

/** Bytes that are really held: what the collector would free does not count. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** How far one endless answer of the fake upstream has come. */
interface Pour {
  writtenBytes: number
  closedAt: number | undefined
}

describe('a client', { concurrency: true }, () => {
  let upstream: FakeUpstream
  let node: TestNode
  const pours: Pour[] = []
  before(async () => {
    const event = chunkEvent('e'.repeat(16_000))
    upstream = await startFakeUpstream({
      endless: (response) => pours.push(pour(response, event)),
      finite: (response) => {
        beginStream(response)
        writeAll(response, [
          ...Array.from({ length: FINITE_EVENTS }, (_, index) => chunkEvent(`${index} `.padEnd(16_000, 'f'))),
          `${chunkEvent('', 'stop')}data: [DONE]\n\n`,
        ])
      },
    })
    const scripts = ['demo?tokens=3', 'slow?tokens=10000&rate=50&capacity=50', 'late?delay=16500&tokens=3']
    node = await startTestNode({
      HEDDLE_RUNTIMES: [...scripts.map((script) => `script:${script}`), upstream.spec].join(','),
    })
    await waitUntil(() => node.node.models().includes('endless'), 'the runtime')
  })
  after(async () => {
    await node[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  const headers = (): Record<string, string> => ({
    authorization: `Bearer ${node.key}`,
    'content-type': 'application/json',
  })
  const chatText = (model: string, stream = true): string =>
    requestText('POST', CHAT, headers(), JSON.stringify(chat(model, 'Hi', { stream })))
  /** Requests in flight at one runtime. */
  const inFlight = async (runtime: string): Promise<number> => {
    const list = (await (await node.get('/api/v1/runtimes', node.adminKey)).json()) as {
      runtimes: { id: string; inFlight: number }[]
    }
    return list.runtimes.find(({ id }) => id.includes(runtime))?.inFlight ?? Number.NaN
  }
  const recordOf = async (id: string): Promise<RequestView | undefined> => {
    const response = await node.get(`/api/v1/requests/${id}`)
    return response.status === 200 ? ((await response.json()) as RequestView) : void (await response.arrayBuffer())
  }
  /** Whether writing to `socket` still reaches anybody: a server that only half closed would go on taking it. */
  const isCut = async (socket: RawSocket): Promise<boolean> => {
    socket.write('x')
    await sleep(20)
    return socket.closed() || socket.errorCode() !== undefined
  }

  it('that sends its headers byte by byte is answered 408 and cut off, and others notice nothing', async () => {
    const startedAt = performance.now()
    const sockets = await Promise.all(Array.from({ length: SLOW_SOCKETS }, () => openRawSocket(node.url)))
    for (const socket of sockets) socket.write('GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ')
    // A silent socket is one that sends its headers very slowly.
    const silent = await openRawSocket(node.url)
    const times: number[] = []
    const done = (): boolean => [...sockets, silent].every((socket) => socket.ended() || socket.closed())
    for (let round = 0; !done(); round += 1) {
      assert.ok(performance.now() - startedAt < 12_000 + SLACK_MS, 'a slow socket is still open')
      const askedAt = performance.now()
      await (await node.get('/livez')).arrayBuffer()
      times.push(performance.now() - askedAt)
      if (round % 20 === 19) for (const socket of sockets) if (!socket.ended()) socket.write('s')
      await sleep(100)
    }
    assert.ok(performance.now() - startedAt > limit('headersTimeoutMs') - SLACK_MS)
    for (const socket of sockets) {
      const [reply] = repliesIn(socket.received())
      assert.equal(reply?.status, 408)
      assert.equal(errorIn(reply.body).code, 'request_timeout')
      assert.equal(reply.headers['connection'], 'close')
    }
    times.sort((a, b) => a - b)
    assert.ok(
      (times[Math.floor(times.length / 2)] ?? 0) < 100,
      `half of the others waited ${times[times.length / 2]} ms`,
    )
    await waitUntil(async () => (await Promise.all(sockets.map(isCut))).every(Boolean), 'the sockets to be cut', 5_000)
    for (const socket of [...sockets, silent]) socket[Symbol.dispose]()
  })

  for (const [name, framing, piece] of [
    ['with a length', { 'content-length': '100000' }, 'x'.repeat(10)],
    ['in chunks', { 'transfer-encoding': 'chunked' }, `a\r\n${'x'.repeat(10)}\r\n`],
  ] as const) {
    it(`that sends its body slower than 1 KiB/s, ${name}, is answered 408 once and cut off`, async () => {
      using socket = await openRawSocket(node.url)
      const startedAt = performance.now()
      socket.write(requestText('POST', CHAT, { ...headers(), ...framing }))
      while (repliesIn(socket.received()).length === 0) {
        assert.ok(performance.now() - startedAt < 8_000 + SLACK_MS, 'nothing came')
        socket.write(piece)
        await sleep(100)
      }
      assert.ok(performance.now() - startedAt > limit('bodyGraceMs'), 'the grace was not granted')
      const [reply] = repliesIn(socket.received())
      assert.equal(reply?.status, 408)
      assert.equal(errorIn(reply.body).code, 'request_timeout')
      assert.equal(reply.headers['x-should-retry'], 'false')
      while (!socket.ended() && !socket.closed()) {
        assert.ok(performance.now() - startedAt < 12_000 + SLACK_MS, 'still open')
        socket.write(piece)
        await sleep(100)
      }
      assert.equal(repliesIn(socket.received()).length, 1)
      await waitUntil(() => isCut(socket), 'the socket to be cut', 5_000)
    })
  }

  it('that sends its body at 4 KiB/s is served', async () => {
    using socket = await openRawSocket(node.url)
    const body = JSON.stringify(chat('demo', 'x'.repeat(28_000)))
    socket.write(requestText('POST', CHAT, { ...headers(), 'content-length': String(body.length) }))
    for (let at = 0; at < body.length; at += 1024) {
      socket.write(body.slice(at, at + 1024))
      await sleep(250)
    }
    const [reply] = repliesIn(await socket.until((text) => repliesIn(text).length > 0))
    assert.equal(reply?.status, 200)
  })

  it('that half closes after its request is let go, and its slot is free', async () => {
    using socket = await openRawSocket(node.url)
    socket.write(chatText('slow'))
    const head = await socket.until((text) => text.includes('data: '))
    const [, id = ''] = /x-request-id: (\S+)/.exec(head) ?? []
    socket.finish()
    await waitUntil(() => socket.closed(), 'the socket to close', 1_000)
    await waitUntil(async () => (await recordOf(id))?.outcome === 'client_closed', 'the end of the request', 2_000)
    assert.equal((await recordOf(id))?.status, 499)
  })

  it('that half closes in the middle of its head or body is let go', async () => {
    const body = JSON.stringify(chat('demo'))
    const whole = requestText('POST', CHAT, headers(), body)
    for (const cut of [20, whole.length - body.length - 3, whole.length - 5]) {
      using socket = await openRawSocket(node.url)
      socket.write(whole.slice(0, cut))
      socket.finish()
      await waitUntil(() => socket.closed(), `the socket to close after ${cut} bytes`, 2_000)
      assert.doesNotMatch(socket.received(), /HTTP\/1\.1 200/)
    }
  })

  it('that is gone before its body is complete costs nothing', async () => {
    for (let round = 0; round < 20; round += 1) {
      const socket = await openRawSocket(node.url)
      socket.write(requestText('POST', CHAT, { ...headers(), 'content-length': '5000' }, '{"model":"gone-before'))
      await sleep(5)
      if (round % 2 === 0) socket.socket.resetAndDestroy()
      else socket[Symbol.dispose]()
    }
    await waitUntil(
      async () => {
        const { requests } = (await (await node.get('/api/v1/requests?limit=500')).json()) as {
          requests: RequestView[]
        }
        return requests.filter(({ outcome, model }) => outcome === 'client_closed' && model === '').length >= 20
      },
      'the log to have them',
      3_000,
    )
  })

  it('that resets in the middle of a stream frees its slot', async () => {
    const sockets = await Promise.all(Array.from({ length: 10 }, () => openRawSocket(node.url)))
    for (const socket of sockets) socket.write(chatText('slow'))
    const heads = await Promise.all(sockets.map((socket) => socket.until((text) => text.includes('data: '))))
    const ids = heads.map((head) => /x-request-id: (\S+)/.exec(head)?.[1] ?? '')
    for (const socket of sockets) socket.socket.resetAndDestroy()
    await waitUntil(
      async () => (await Promise.all(ids.map(recordOf))).every((record) => record?.outcome === 'client_closed'),
      'the ends of the requests',
      2_000,
    )
    const durations = (await Promise.all(ids.map(recordOf))).map((record) => record?.durationMs ?? Number.NaN)
    assert.ok(Math.max(...durations) < 2_000)
  })

  it('that waits for its first token hears a comment after 15 s, and then the answer', async () => {
    const startedAt = performance.now()
    const response = await node.post(CHAT, chat('late', 'Hi', { stream: true }))
    const headMs = performance.now() - startedAt
    assert.ok(headMs > 14_000 && headMs < 15_000 + SLACK_MS, `the head came after ${headMs} ms`)
    const text = await response.text()
    assert.match(text, /^: [^\n]+\n\ndata: /)
    assert.equal(eventsOf(text).at(-1), '[DONE]')
  })

  it('that pauses for a while gets every byte afterwards', async () => {
    using socket = await openRawSocket(node.url)
    socket.write(chatText('finite'))
    await socket.until((text) => text.includes('data: '))
    socket.pause()
    await sleep(4_000)
    socket.socket.resume()
    const text = await socket.until((received) => received.endsWith('0\r\n\r\n'), 20_000)
    const [reply] = repliesIn(text)
    const events = eventsOf(reply?.body ?? '')
    assert.equal(events.length, FINITE_EVENTS + 2)
    const numbers = events.slice(0, FINITE_EVENTS).map((event) => {
      const { choices } = JSON.parse(event) as { choices: { delta: { content: string } }[] }
      return Number.parseInt(choices[0]?.delta.content ?? '', 10)
    })
    assert.deepEqual(
      numbers,
      Array.from({ length: FINITE_EVENTS }, (_, index) => index),
    )
    assert.equal(events.at(-1), '[DONE]')
  })

  it('that stops reading pauses its upstream, costs little memory, and is cut off after 30 s', async (t) => {
    const heldBefore = heldBytes()
    const startedAt = performance.now()
    const ids: Promise<string>[] = []
    const sockets = Array.from({ length: STALLED_READERS }, (_, index) => {
      // The last one takes ten bytes a second, the others nothing at all after the head.
      const isTrickling = index === STALLED_READERS - 1
      const head = Promise.withResolvers<string>()
      ids.push(head.promise)
      let text = ''
      const { hostname, port } = new URL(node.url)
      const buffer = Buffer.alloc(isTrickling ? 10 : 1_000)
      const socket = connect({
        host: hostname,
        port: Number(port),
        onread: {
          buffer,
          callback(bytes) {
            text = (text + buffer.toString('latin1', 0, bytes)).slice(0, 4_000)
            const id = /x-request-id: (\S+)\r\n/.exec(text)?.[1]
            if (id === undefined) return true
            head.resolve(id)
            return false
          },
        },
      })
      socket.on('error', () => {})
      socket.write(chatText('endless'))
      const timer = isTrickling ? setInterval(() => socket.resume(), 1_000) : undefined
      t.after(() => {
        clearInterval(timer)
        socket.destroy()
      })
      return socket
    })
    const known = await Promise.all(ids)
    await waitUntil(() => pours.length === STALLED_READERS, 'the upstream to be asked')
    assert.equal((await inFlight('openai:')) >= STALLED_READERS, true)
    await sleep(6_000)
    const written = pours.map(({ writtenBytes }) => writtenBytes)
    await sleep(14_000)
    for (const [index, { writtenBytes }] of pours.entries()) {
      const moreBytes = writtenBytes - (written[index] ?? 0)
      assert.ok(moreBytes < 1024 * 1024, `upstream ${index} was not paused: ${moreBytes} more bytes`)
    }
    // The upstream lives in this process too, with as much waiting on its side.
    const grownBytes = heldBytes() - heldBefore
    assert.ok(grownBytes < STALLED_READERS * 2 * HELD_BYTES, `holds ${grownBytes} bytes more`)
    assert.ok(
      pours.every(({ closedAt }) => closedAt === undefined),
      'cut off before 30 s',
    )
    await waitUntil(
      () => pours.every(({ closedAt }) => closedAt !== undefined),
      'the readers to be cut off',
      limit('drainTimeoutMs') + 6_000 - (performance.now() - startedAt) + SLACK_MS,
    )
    for (const { closedAt = 0 } of pours) {
      const afterMs = closedAt - startedAt
      assert.ok(afterMs > limit('drainTimeoutMs') - SLACK_MS && afterMs < limit('drainTimeoutMs') + 7_000, `${afterMs}`)
    }
    const records = await Promise.all(known.map(recordOf))
    assert.deepEqual(
      records.map((record) => record?.outcome),
      known.map(() => 'client_closed'),
    )
    assert.ok(
      sockets.every(({ destroyed }) => !destroyed),
      'the readers left by themselves',
    )
    await waitUntil(async () => (await inFlight('openai:')) === 0, 'the runtime to be free', 1_000)
  })
})

/** Writes `event` again and again at the reader's pace. */
function pour(response: ServerResponse, event: string): Pour {
  const state: Pour = { writtenBytes: 0, closedAt: undefined }
  beginStream(response)
  response.on('close', () => (state.closedAt = performance.now()))
  const write = (): void => {
    for (;;) {
      if (response.destroyed) return
      state.writtenBytes += event.length
      if (!response.write(event)) return void response.once('drain', () => setImmediate(write))
    }
  }
  write()
  return state
}

/** Writes all of `events` at the reader's pace, then ends. */
function writeAll(response: ServerResponse, events: readonly string[]): void {
  const [event, ...rest] = events
  if (event === undefined) return void response.end()
  if (response.write(event)) writeAll(response, rest)
  else response.once('drain', () => writeAll(response, rest))
}
