/** Flow control of mesh sessions: a slow reader costs what its credit says, and nobody else waits for it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { heldBytes } from '../../../test/support/heap.ts'
import {
  answer,
  bytesOf,
  calm,
  openPair,
  openSide,
  openWire,
  RawPeer,
  readAll,
  requestOf,
  type Serve,
  source,
  textOf,
  wholeOf,
} from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'
import { LIMITS } from '../limits.ts'
import type { MessageResponse } from '../message.ts'
import { RESET_CODES } from '../wire/frames/frame.ts'

const WINDOW = LIMITS.meshWindowBytes.value
const PIECE = LIMITS.meshPieceBytes.value
const AHEAD = LIMITS.meshAheadBytes.value
const MIB = 1024 * 1024

/** Answers `/large?<chunk>` with 64 MiB and everything else with a few bytes; `pulled` tells what was read of each source. */
function server(pulled: number[] = []): Serve {
  return async ({ path }) => {
    if (!path.startsWith('/large')) return answer(bodyOf(bytesOf('small')))
    const index = pulled.push(0) - 1
    const chunkBytes = Number(path.split('?')[1] ?? 64 * 1024)
    return answer(
      source(64 * MIB, chunkBytes, (sent) => {
        pulled[index] = sent + chunkBytes
      }),
    )
  }
}

describe('a reader who takes nothing', () => {
  it('holds up its own source and nobody else', async () => {
    const pulled: number[] = []
    const { a, clock, during } = await openPair({ serveB: server(pulled) })
    const slow: MessageResponse[] = []
    for (let count = 0; count < 20; count += 1)
      slow.push(await during(a.session.request(requestOf('/large'), { signal: calm() })))
    await clock.advance(1_000)
    for (const bytes of pulled) assert.ok(bytes <= WINDOW + AHEAD + 64 * 1024, `${bytes} bytes were read of the source`)
    const from = clock.monotonic()
    for (let count = 0; count < 100; count += 1) {
      const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
      assert.equal(textOf(await during(readAll(response.body))), 'small')
    }
    assert.ok(clock.monotonic() - from <= 100 * 4, `${clock.monotonic() - from} ms for 100 round trips of 2 ms`)
    assert.equal(slow.length, 20)
  })

  for (const chunkBytes of [64 * 1024, 1_000, 1]) {
    it(`pins little more than its credit, whatever the pieces: ${chunkBytes} bytes`, async () => {
      const readers = chunkBytes === 1 ? 4 : 16
      const pulled: number[] = []
      const { a, clock, during } = await openPair({ serveB: server(pulled) })
      await during(a.session.ping({ signal: calm() }))
      const before = heldBytes()
      const slow: MessageResponse[] = []
      for (let count = 0; count < readers; count += 1)
        slow.push(await during(a.session.request(requestOf(`/large?${chunkBytes}`), { signal: calm() })))
      await clock.advance(200)
      const perReader = (heldBytes() - before) / readers
      // Beside the unread window: what the other side has read ahead of its source, and the objects of two exchanges.
      assert.ok(perReader < 1.5 * (WINDOW + AHEAD) + 100_000, `${Math.round(perReader)} bytes for each reader`)
      for (const bytes of pulled) assert.ok(bytes >= WINDOW, 'the window is full')
      assert.equal(slow.length, readers)
    })
  }

  it('gets everything once it reads', async () => {
    const { a, clock, during } = await openPair({ serveB: async () => answer(source(2 * MIB, 10_000)) })
    const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
    await clock.advance(20_000)
    assert.deepEqual(await during(readAll(response.body)), await readAll(source(2 * MIB, 10_000)))
  })

  it('holds up an upload in the same way', async () => {
    let pulled = 0
    const gate = Promise.withResolvers<void>()
    const { a, clock, during } = await openPair({
      serveB: async ({ body }) => {
        await gate.promise
        return answer(bodyOf(bytesOf(String((await wholeOf(body)).length))))
      },
    })
    const body = source(4 * MIB, 8_192, (sent) => {
      pulled = sent
    })
    const responding = a.session.request(requestOf('/', body), { signal: calm() })
    await clock.advance(60_000)
    assert.ok(pulled > WINDOW / 2 && pulled <= WINDOW + AHEAD + 8_192, `${pulled} bytes`)
    gate.resolve()
    const response = await during(responding)
    assert.equal(textOf(await during(readAll(response.body))), String(4 * MIB))
  })

  it('loses its answer after 30 s without credit, and its place at the server is free', async () => {
    const wire = await openWire()
    let isStopped = false
    const reasons: unknown[] = []
    const side = openSide(wire, wire.atB, { side: 'listener' }, async (_request, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      const body = source(64 * MIB, 64 * 1024)
      const stop = body.return.bind(body)
      body.return = (value) => {
        isStopped = true
        return stop(value)
      }
      return answer(body)
    })
    const peer = new RawPeer(wire.atA)
    peer.hello()
    peer.open(1)
    // Answers pings, so that only its reading is at fault.
    for (let second = 0; second < 29; second += 1) {
      peer.send({ kind: 'pong', token: second })
      await wire.clock.advance(1_000)
    }
    assert.deepEqual([peer.ofKind('reset'), side.session.serving], [[], 1])
    peer.send({ kind: 'pong', token: 99 })
    await wire.clock.advance(7_000)
    assert.deepEqual(peer.ofKind('reset'), [{ kind: 'reset', stream: 1, code: RESET_CODES.stalled }])
    assert.deepEqual([side.session.serving, isStopped, reasons.length, side.ends], [0, true, 1, []])
    assert.equal(
      peer.ofKind('body').reduce((sum, { bytes }) => sum + bytes.length, 0),
      WINDOW,
    )
  })
})

describe('bodies that share a session', () => {
  it('take turns, so that a large one delays small requests by a few pieces only', async () => {
    const bytesPerMs = 10_000
    const { a, clock, during } = await openPair({ serveB: server(), conditions: { bytesPerMs } })
    const large = await during(a.session.request(requestOf('/large'), { signal: calm() }))
    let isLargeDone = false
    let received = 0
    const reading = (async () => {
      for await (const chunk of large.body) received += chunk.length
      isLargeDone = true
    })()
    const waits: number[] = []
    while (!isLargeDone) {
      const from = clock.monotonic()
      const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
      await during(readAll(response.body))
      waits.push(clock.monotonic() - from)
    }
    await during(reading)
    assert.equal(received, 64 * MIB)
    assert.ok(waits.length > 50, `${waits.length} small requests`)
    // Before a small answer lie a full socket (256 KiB) and one write of ours, on a line of 10 MB/s.
    const bound = (256 * 1024 + LIMITS.meshWriteBytes.value) / bytesPerMs + 10
    assert.ok(Math.max(...waits) <= bound, `${Math.max(...waits)} ms, at most ${bound} ms`)
  })

  it('get equal shares', async () => {
    const { a, clock, during } = await openPair({
      serveB: async ({ path }) => answer(source(Number(path.slice(1)) * MIB, 50_000)),
      conditions: { bytesPerMs: 10_000 },
    })
    const from = clock.monotonic()
    const time = async (mib: number): Promise<number> => {
      const response = await a.session.request(requestOf(`/${mib}`), { signal: calm() })
      await readAll(response.body)
      return clock.monotonic() - from
    }
    const [one = 0, ...fours] = await during(Promise.all([1, 4, 4, 4].map(time)))
    // 13 MiB in all; the small one needs a fourth of the line while it lasts, the others then end together.
    assert.ok(one < Math.min(...fours) / 2, `${one} and ${fours.join(', ')} ms`)
    assert.ok(Math.max(...fours) - Math.min(...fours) < 0.1 * Math.max(...fours), fours.join(', '))
  })

  it('leave in pieces of at most 16 KiB, one after another', async () => {
    const wire = await openWire()
    openSide(wire, wire.atB, { side: 'listener' }, async () => answer(bodyOf(new Uint8Array(100_000))))
    const peer = new RawPeer(wire.atA)
    peer.hello()
    for (const stream of [1, 3, 5]) peer.open(stream)
    await wire.clock.advance(100)
    const bodies = peer.ofKind('body')
    assert.ok(bodies.every(({ bytes }) => bytes.length <= PIECE))
    const order = bodies.map(({ stream }) => stream)
    assert.deepEqual(order.slice(0, 12), [1, 3, 5, 1, 3, 5, 1, 3, 5, 1, 3, 5])
  })
})

describe('credit', () => {
  it('is given back when half of it was read', async () => {
    const wire = await openWire()
    openSide(wire, wire.atB, { side: 'listener' }, async ({ body }) =>
      answer(bodyOf(bytesOf(String((await wholeOf(body)).length)))),
    )
    const peer = new RawPeer(wire.atA)
    peer.hello()
    peer.open(1, { isLast: false })
    let sent = 0
    let credit = WINDOW
    while (sent < MIB) {
      const bytes = new Uint8Array(Math.min(10_000, credit, MIB - sent))
      peer.send({ kind: 'body', stream: 1, isLast: sent + bytes.length === MIB, bytes })
      sent += bytes.length
      await wire.clock.advance(5)
      credit = WINDOW + peer.ofKind('window').reduce((sum, { credit }) => sum + credit, 0) - sent
      assert.ok(credit > 0, 'the server reads')
    }
    await wire.clock.advance(5)
    const windows = peer.ofKind('window')
    assert.ok(windows.length >= 6 && windows.length <= 8, `${windows.length} window frames`)
    assert.ok(windows.every(({ credit }) => credit >= WINDOW / 2))
    assert.equal(textOf(peer.ofKind('body')[0]?.bytes ?? new Uint8Array(0)), String(MIB))
  })

  it('is not to be exceeded: the request is reset, others go on', async () => {
    const wire = await openWire()
    const never = new Promise<void>(() => {})
    const side = openSide(wire, wire.atB, { side: 'listener' }, async ({ path, body }, { signal }) => {
      if (path === '/') return answer(bodyOf(bytesOf('fine')))
      await Promise.race([
        never,
        wholeOf(body).then(() => never),
        new Promise((resolve) => signal.addEventListener('abort', resolve)),
      ])
      throw new Error('it was left')
    })
    const peer = new RawPeer(wire.atA)
    peer.hello()
    peer.open(1, { isLast: false, path: '/upload' })
    for (let sent = 0; sent <= WINDOW; sent += 50_000)
      peer.send({ kind: 'body', stream: 1, isLast: false, bytes: new Uint8Array(50_000) })
    peer.open(3)
    await wire.clock.advance(10)
    assert.deepEqual(peer.ofKind('reset'), [{ kind: 'reset', stream: 1, code: RESET_CODES.credit }])
    assert.equal(textOf(peer.ofKind('body')[0]?.bytes ?? new Uint8Array(0)), 'fine')
    assert.deepEqual([side.session.serving, side.ends], [0, []])
  })

  it('beyond all bounds ends the session', async () => {
    const wire = await openWire()
    const side = openSide(wire, wire.atB, { side: 'listener' }, server())
    const peer = new RawPeer(wire.atA)
    peer.hello()
    peer.open(1, { path: '/large' })
    await wire.clock.advance(10)
    peer.send({ kind: 'window', stream: 1, credit: 0x7fff_ffff }, { kind: 'window', stream: 1, credit: 0x7fff_ffff })
    await wire.clock.advance(10)
    assert.deepEqual(side.ends, [{ kind: 'protocol', what: 'credit' }])
  })

  it('follows what the other side said at the beginning', async () => {
    const pulled: number[] = []
    const { a, clock, during } = await openPair({ serveB: server(pulled), a: { windowBytes: 10_000 } })
    await during(a.session.request(requestOf('/large?1000'), { signal: calm() }))
    await clock.advance(100)
    assert.ok((pulled[0] ?? 0) <= 10_000 + AHEAD + 1_000, `${pulled[0]} bytes`)
  })
})

describe('the frames of one turn', () => {
  it('leave in one write', async () => {
    const wire = await openWire()
    const writes: number[] = []
    const duplex = {
      start: wire.atA.start.bind(wire.atA),
      close: wire.atA.close.bind(wire.atA),
      abort: wire.atA.abort.bind(wire.atA),
      peer: wire.atA.peer,
      send(chunks: readonly Uint8Array[]) {
        writes.push(chunks.length)
        return wire.atA.send(chunks)
      },
    }
    const a = openSide(wire, duplex, { side: 'dialler' })
    openSide(wire, wire.atB, { side: 'listener' }, server())
    await wire.clock.advance(10)
    writes.length = 0
    const requests = Array.from({ length: 20 }, () =>
      a.session.request(requestOf('/', new Uint8Array(500)), { signal: calm() }),
    )
    await wire.during(Promise.all(requests))
    assert.equal(writes.length, 1)
  })

  it('wait while the transport is full, and a transport that stays full ends the session', async () => {
    const wire = await openWire()
    let sent = 0
    const deaf = {
      peer: wire.atB.peer,
      start: wire.atB.start.bind(wire.atB),
      close: wire.atB.close.bind(wire.atB),
      abort: wire.atB.abort.bind(wire.atB),
      send(chunks: readonly Uint8Array[]) {
        sent += chunks.reduce((sum, chunk) => sum + chunk.length, 0)
        return false
      },
    }
    const side = openSide(wire, deaf, { side: 'listener' }, server())
    const peer = new RawPeer(wire.atA)
    peer.hello()
    for (let stream = 1; stream < 100; stream += 2) peer.open(stream, { path: '/large' })
    for (let second = 0; second < 40 && side.ends.length === 0; second += 1) {
      for (let token = 0; token < 50; token += 1) peer.send({ kind: 'ping', token })
      await wire.clock.advance(1_000)
    }
    assert.deepEqual(side.ends, [{ kind: 'silent', what: 'drain' }])
    assert.ok(sent < 100_000, `${sent} bytes were given to a transport that takes none`)
  })

  it('answer only the newest ping where the transport was full meanwhile', async () => {
    const wire = await openWire()
    let isFull = false
    const sometimes = {
      peer: wire.atB.peer,
      start: wire.atB.start.bind(wire.atB),
      close: wire.atB.close.bind(wire.atB),
      abort: wire.atB.abort.bind(wire.atB),
      send: (chunks: readonly Uint8Array[]) => wire.atB.send(chunks) && !isFull,
    }
    const side = openSide(wire, sometimes, { side: 'listener' }, server())
    const peer = new RawPeer(wire.atA)
    peer.hello()
    await wire.clock.advance(10)
    isFull = true
    for (let token = 1; token <= 100; token += 1) {
      peer.send({ kind: 'ping', token })
      await wire.clock.advance(10)
    }
    assert.deepEqual(peer.ofKind('pong'), [{ kind: 'pong', token: 1 }])
    isFull = false
    side.session.drained()
    await wire.clock.advance(10)
    assert.deepEqual(peer.ofKind('pong').slice(1), [{ kind: 'pong', token: 100 }])
  })
})
