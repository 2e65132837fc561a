/** Mesh sessions over real sockets on loopback: what holds on virtual time holds there too. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answer, bytesOf, calm, readAll, requestOf, source, textOf, wholeOf } from '../../../test/support/mesh-pair.ts'
import { openSocketPair, type SocketPair } from '../../../test/support/socket-duplex.ts'
import { SystemClock } from '../../adapters/system/system-clock.ts'
import { bodyOf } from '../byte-channel.ts'
import type { MessageRequest, MessageResponse } from '../message.ts'
import { MeshSession } from './session.ts'
import type { SessionEnd } from './session-error.ts'

const MIB = 1024 * 1024

async function serve({ path, body }: MessageRequest): Promise<MessageResponse> {
  if (path === '/large') return answer(source(64 * MIB, 64 * 1024))
  return answer(bodyOf(bytesOf(String((await wholeOf(body)).length))))
}

function openSessions({ ends: [near, far] }: SocketPair) {
  const ended: SessionEnd[] = []
  const deps = {
    clock: new SystemClock(),
    schedule: setImmediate,
    openCancel: () => new AbortController(),
    onRequest: serve,
    onEnd: (end: SessionEnd) => void ended.push(end),
  }
  const dialler = new MeshSession<AbortSignal>({ ...deps, duplex: near }, { side: 'dialler' })
  const listener = new MeshSession<AbortSignal>({ ...deps, duplex: far }, { side: 'listener' })
  return { dialler, listener, ended }
}

describe('a mesh session over TCP', () => {
  it('carries large bodies both ways while small requests are answered, and ends cleanly', async () => {
    await using pair = await openSocketPair()
    const { dialler, listener, ended } = openSessions(pair)
    const down = dialler.request(requestOf('/large'), { signal: calm() }).then(({ body }) => readAll(body))
    const up = listener
      .request(requestOf('/', source(64 * MIB, 50_000)), { signal: calm() })
      .then(({ body }) => readAll(body))
    let areLargeDone = false
    const large = Promise.all([down, up]).finally(() => {
      areLargeDone = true
    })
    let small = 0
    while (!areLargeDone) {
      const response = await dialler.request(requestOf('/', bytesOf('hello')), { signal: calm() })
      assert.equal(textOf(await readAll(response.body)), '5')
      small += 1
    }
    const [downBytes, upAnswer] = await large
    assert.equal(downBytes.length, 64 * MIB)
    assert.ok(downBytes.every((byte, index) => byte === (Math.floor(index / 65_536) & 0xff)))
    assert.equal(textOf(upAnswer), String(64 * MIB))
    assert.ok(small >= 10, `${small} small requests beside them`)
    await dialler.drain({ signal: calm() })
    assert.deepEqual(ended[0], { kind: 'closed' })
  })

  it('says that the connection broke when the socket does', async () => {
    await using pair = await openSocketPair()
    const { dialler, listener, ended } = openSessions(pair)
    const response = await dialler.request(requestOf('/large'), { signal: calm() })
    pair.ends[1].abort(new Error('unplugged'))
    await assert.rejects(readAll(response.body), /the connection to the peer broke/)
    assert.deepEqual(ended.map(({ kind }) => kind).sort(), ['lost', 'lost'])
    assert.deepEqual([dialler.inFlight, listener.serving], [0, 0])
  })
})
