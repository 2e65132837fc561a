/** Peers that break the protocol, or keep to it and still mean harm: a typed end, bounded memory, and others go on. */
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
  requestOf,
  type Side,
  type Wire,
} from '../../../test/support/mesh-pair.ts'
import { SeededRandom } from '../../adapters/memory/seeded-random.ts'
import { bodyOf } from '../byte-channel.ts'
import { HeddleError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { GO_AWAY_CODES, RESET_CODES } from '../wire/frames/frame.ts'
import { encodeFrame } from '../wire/frames/frame-writer.ts'
import type { SessionEnd } from './session-error.ts'

interface Attack extends Wire {
  readonly victim: Side
  readonly peer: RawPeer
}

async function openAttack(serve: () => Promise<never> = () => new Promise(() => {})): Promise<Attack> {
  const wire = await openWire()
  const victim = openSide(wire, wire.atB, { side: 'listener' }, serve)
  return { ...wire, victim, peer: new RawPeer(wire.atA) }
}

const requestBytes = (stream: number): Uint8Array =>
  encodeFrame({ kind: 'open', stream, isLast: true, id: 'r', service: 's', method: 'GET', path: '/', headers: {} })

describe('a peer that breaks the protocol', () => {
  const head = { kind: 'head', isLast: true, status: 200, headers: {} } as const
  const cases: readonly (readonly [string, SessionEnd, (peer: RawPeer) => void])[] = [
    ['says something before hello', { kind: 'protocol', what: 'hello_missing' }, (peer) => peer.open(1)],
    [
      'begins with a frame that nobody knows',
      { kind: 'protocol', what: 'hello_missing' },
      (peer) => peer.bytes(99, 0, 0, 1, 0, 0, 0, 0, 7),
    ],
    [
      'says the hello of another protocol',
      { kind: 'protocol', what: 'hello' },
      (peer) => peer.bytes(1, 0, 0, 22, 0, 0, 0, 0, ...bytesOf('HTTP/1.1 400 Bad Reques')),
    ],
    [
      'says hello twice',
      { kind: 'protocol', what: 'hello_repeated' },
      (peer) => {
        peer.hello()
        peer.hello()
      },
    ],
    [
      'uses the numbers of the other side',
      { kind: 'protocol', what: 'stream_order' },
      (peer) => {
        peer.hello()
        peer.open(2)
      },
    ],
    [
      'uses a number again',
      { kind: 'protocol', what: 'stream_order' },
      (peer) => {
        peer.hello()
        peer.open(5)
        peer.open(5)
      },
    ],
    [
      'goes back in numbers',
      { kind: 'protocol', what: 'stream_order' },
      (peer) => {
        peer.hello()
        peer.open(5)
        peer.open(3)
      },
    ],
    [
      'answers what nobody asked',
      { kind: 'protocol', what: 'stream_unknown' },
      (peer) => {
        peer.hello()
        peer.send({ ...head, stream: 2 })
      },
    ],
    [
      'answers its own request',
      { kind: 'protocol', what: 'stream_unknown' },
      (peer) => {
        peer.hello()
        peer.open(1)
        peer.send({ ...head, stream: 1 })
      },
    ],
    [
      'sends a body for a request that never was',
      { kind: 'protocol', what: 'stream_unknown' },
      (peer) => {
        peer.hello()
        peer.send({ kind: 'body', stream: 9, isLast: true, bytes: bytesOf('x') })
      },
    ],
    [
      'sends a frame of a length that cannot be',
      { kind: 'protocol', what: 'payload_length' },
      (peer) => {
        peer.hello()
        peer.bytes(7, 0, 0xff, 0xff, 0, 0, 0, 1)
      },
    ],
  ]
  for (const [what, end, attack] of cases) {
    it(`is sent away: it ${what}`, async () => {
      const { victim, peer, clock } = await openAttack()
      attack(peer)
      await clock.advance(10)
      assert.deepEqual(victim.ends, [end])
      assert.equal(peer.ofKind('goAway')[0]?.code, GO_AWAY_CODES.protocol)
      assert.deepEqual(peer.ends, [undefined])
    })
  }

  it('is given up when it speaks another protocol and never says hello', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.bytes(...bytesOf('GET / HTTP/1.1\r\n\r\n'))
    await clock.advance(LIMITS.meshHelloMs.value + LIMITS.meshTickMs.value)
    assert.deepEqual(victim.ends, [{ kind: 'silent', what: 'hello' }])
  })

  it('fails only the one request where only its fields are wrong', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.hello()
    const bad = requestBytes(1)
    bad[bad.length - 2] = 0x20
    peer.bytes(...bad)
    peer.open(3)
    await clock.advance(10)
    assert.deepEqual(peer.ofKind('reset'), [{ kind: 'reset', stream: 1, code: RESET_CODES.malformed }])
    assert.deepEqual([victim.ends, victim.session.serving], [[], 1])
  })

  it('fails only its own answer where that is wrong', async () => {
    const wire = await openWire()
    const { session, ends } = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    const wrong: readonly ((stream: number) => void)[] = [
      (stream) => peer.bytes(3, 0, 0, 3, 0, 0, 0, stream, 0, 99, 0),
      (stream) => peer.send({ kind: 'body', stream, isLast: true, bytes: bytesOf('no head') }),
      (stream) => peer.send({ kind: 'end', stream }),
    ]
    const failures = wrong.map(async (send, index) => {
      const responding = session.request(requestOf('/'), { signal: calm() })
      send(2 * index + 1)
      await assert.rejects(responding, (error) => error instanceof HeddleError && error.code === 'upstream_failed')
    })
    await wire.during(Promise.all(failures))
    await wire.clock.advance(10)
    assert.deepEqual([peer.ofKind('reset').map(({ code }) => code), ends], [[8, 8, 8], []])
  })
})

describe('a peer that floods', () => {
  it('with 10,000 requests gets its limit served and the rest refused, and is sent away', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.hello()
    await clock.advance(10)
    const before = heldBytes()
    for (let stream = 1; stream < 20_000; stream += 2) peer.open(stream)
    let most = 0
    for (let turn = 0; turn < 20; turn += 1) {
      most = Math.max(most, victim.session.serving)
      await clock.advance(1)
    }
    assert.equal(most, LIMITS.meshOpenRequests.value)
    const resets = peer.ofKind('reset')
    assert.ok(resets.every(({ code }) => code === RESET_CODES.refused))
    assert.deepEqual(victim.ends, [{ kind: 'flood' }])
    assert.ok(resets.length <= LIMITS.meshRefusals.value + 1)
    assert.equal(peer.ofKind('goAway')[0]?.code, GO_AWAY_CODES.flood)
    assert.ok(heldBytes() - before < 8 * 1024 * 1024)
  })

  it('over its limit now and then is only refused', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.hello()
    for (let stream = 1; stream < 2 * 300; stream += 2) peer.open(stream)
    await clock.advance(10)
    assert.deepEqual([victim.session.serving, peer.ofKind('reset').length, victim.ends], [256, 44, []])
  })

  it('by opening and cancelling in turn gets no more served at once than its limit', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.hello()
    for (let stream = 1; stream < 2 * 1_000; stream += 2) {
      peer.open(stream)
      peer.send({ kind: 'reset', stream, code: RESET_CODES.cancel })
      if (stream % 100 === 1) await clock.advance(5)
    }
    await clock.advance(10)
    assert.ok(victim.session.serving <= 256, `${victim.session.serving} servers run`)
  })

  for (const [what, bytes] of [
    ['pings', encodeFrame({ kind: 'ping', token: 1 })],
    ['frames nobody knows', Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0)],
    ['empty bodies', encodeFrame({ kind: 'body', stream: 1, isLast: false, bytes: new Uint8Array(0) })],
  ] as const) {
    it(`with ${what} is sent away`, async () => {
      const { victim, peer, clock } = await openAttack()
      peer.hello()
      peer.open(1, { isLast: false })
      const many = Uint8Array.from(
        { length: 1_000 * bytes.length },
        (_, index) => bytes[index % bytes.length] as number,
      )
      for (let turn = 0; turn < 25 && victim.ends.length === 0; turn += 1) {
        peer.bytes(...many)
        await clock.advance(2)
      }
      assert.deepEqual(victim.ends, [{ kind: 'flood' }])
    })
  }

  it('with bodies in the smallest pieces pins no more than its credit', async () => {
    const { victim, peer, clock } = await openAttack()
    peer.hello()
    await clock.advance(10)
    const before = heldBytes()
    const requests = 4
    for (let index = 0; index < requests; index += 1) peer.open(2 * index + 1, { isLast: false })
    // One byte in each frame, and around it frames that are skipped, so that its array is much larger than what it brings.
    for (let round = 0; round < 500; round += 1) {
      for (let index = 0; index < requests; index += 1) {
        const frame = encodeFrame({ kind: 'body', stream: 2 * index + 1, isLast: false, bytes: Uint8Array.of(1) })
        peer.bytes(...frame, 99, 0, 0x3f, 0xff, 0, 0, 0, 0, ...new Uint8Array(0x3fff))
      }
      await clock.advance(2)
    }
    const grown = heldBytes() - before
    assert.deepEqual(victim.ends, [])
    // 2,000 frames came with 32 MiB around them. Each request may pin the array of its first piece and one block.
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`)
  })
})

describe('a peer that stops in the middle of a frame', () => {
  for (const bytes of [4, 8, 20]) {
    it(`after ${bytes} bytes is given up when it answers no ping, and its requests with it`, async () => {
      const { victim, peer, clock } = await openAttack()
      peer.hello()
      peer.open(1)
      await clock.advance(10)
      peer.bytes(...requestBytes(3).slice(0, bytes))
      await clock.advance(60_000)
      assert.deepEqual(victim.ends, [{ kind: 'silent', what: 'ping' }])
    })
  }
})

describe('noise after the hello', () => {
  it('never throws, and ends in a typed end where it ends', async () => {
    const random = new SeededRandom(7)
    const sound = [
      requestBytes(1),
      encodeFrame({ kind: 'head', stream: 2, isLast: false, status: 200, headers: {} }),
      encodeFrame({ kind: 'body', stream: 1, isLast: false, bytes: new Uint8Array(50) }),
      encodeFrame({ kind: 'body', stream: 2, isLast: true, bytes: new Uint8Array(50) }),
      encodeFrame({ kind: 'end', stream: 1 }),
      encodeFrame({ kind: 'reset', stream: 2, code: 1 }),
      encodeFrame({ kind: 'window', stream: 1, credit: 100 }),
      encodeFrame({ kind: 'goAway', code: 0, lastStream: 9 }),
      encodeFrame({ kind: 'ping', token: 1 }),
    ]
    const kinds = new Set<string>()
    for (let round = 0; round < 400; round += 1) {
      const wire = await openWire()
      const victim = openSide(wire, wire.atB, { side: 'listener' }, async () => answer(bodyOf(new Uint8Array(10))))
      const peer = new RawPeer(wire.atA)
      peer.hello()
      const responding = victim.session.request(requestOf('/', new Uint8Array(100)), { signal: calm() })
      responding.catch(() => {})
      for (let count = random.integer(8); count >= 0; count -= 1) {
        const bytes = [...(sound[random.integer(sound.length)] ?? [])]
        if (random.integer(3) === 0) bytes[random.integer(bytes.length)] = random.integer(256)
        peer.bytes(...bytes)
      }
      await wire.clock.advance(20)
      kinds.add(victim.ends[0]?.kind ?? 'alive')
      victim.session.close()
      assert.deepEqual([victim.session.inFlight, victim.ends.length], [0, 1])
    }
    for (const kind of ['alive', 'protocol', 'closed'])
      assert.ok(kinds.has(kind), `${kind} is among ${[...kinds].join(', ')}`)
  })
})

describe('a side that is asked for more than the peer takes', () => {
  it('refuses here, without a round trip', async () => {
    const { a, b, during } = await openPair({ serveB: () => new Promise(() => {}), b: { openRequests: 3 } })
    await during(a.session.ping({ signal: calm() }))
    for (let count = 0; count < 3; count += 1) a.session.request(requestOf('/'), { signal: calm() }).catch(() => {})
    await assert.rejects(a.session.request(requestOf('/'), { signal: calm() }), /takes no more requests/)
    await during(a.session.ping({ signal: calm() }))
    assert.deepEqual([a.session.inFlight, b.session.serving], [3, 3])
  })

  it('refuses those that waited for the hello too', async () => {
    const { a, b, during } = await openPair({ serveB: () => new Promise(() => {}), b: { openRequests: 3 } })
    const outcomes: string[] = []
    for (let count = 0; count < 5; count += 1)
      a.session.request(requestOf('/'), { signal: calm() }).catch((error: Error) => outcomes.push(error.message))
    await during(a.session.ping({ signal: calm() }))
    await during(a.session.ping({ signal: calm() }))
    assert.deepEqual([outcomes.length, a.session.inFlight, b.session.serving], [2, 3, 3])
  })
})
