/** The memory network: the same seed gives the same run; streams are held up but whole; datagrams suffer what they may. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asNodeId } from '../../core/ids.ts'
import type { Duplex } from '../../ports/duplex.ts'
import { MemoryClock } from './memory-clock.ts'
import type { LinkConditions } from './memory-link.ts'
import { MemoryNetwork } from './memory-network.ts'

const A = asNodeId('a')
const B = asNodeId('b')
const C = asNodeId('c')
const calm = (): AbortSignal => new AbortController().signal

function openNetwork(conditions: Partial<LinkConditions> = {}, seed = 1) {
  const clock = new MemoryClock()
  const network = new MemoryNetwork({ clock }, { seed, conditions })
  const log: string[] = []
  /** Notes what comes out of a stream. */
  const listen = (duplex: Duplex, name: string): void =>
    duplex.start({
      received: (bytes) => void log.push(`${clock.monotonic().toFixed(1)} ${name} got ${bytes.join(',')}`),
      drained: () => void log.push(`${name} drained`),
      closed: (error) =>
        void log.push(`${clock.monotonic().toFixed(1)} ${name} closed${error === undefined ? '' : ' by an error'}`),
    })
  return { clock, network, log, listen }
}

type Network = ReturnType<typeof openNetwork>

async function connect({ clock, network, listen }: Network): Promise<Duplex> {
  network.host(B).listen((duplex) => listen(duplex, 'b'))
  const dialling = network.host(A).dial(B, { signal: calm() })
  await clock.advance(1_000)
  const duplex = await dialling
  listen(duplex, 'a')
  return duplex
}

/** Numbers that came as datagrams, in order, with their times. */
async function datagrams(
  conditions: Partial<LinkConditions>,
  seed: number,
): Promise<{ order: number[]; times: number[] }> {
  const { clock, network } = openNetwork(conditions, seed)
  const order: number[] = []
  const times: number[] = []
  network.host(B).onDatagram((from, [number = -1]) => {
    assert.equal(from, A)
    order.push(number)
    times.push(clock.monotonic())
  })
  for (let number = 0; number < 200; number += 1) {
    network.host(A).sendDatagram(B, Uint8Array.of(number))
    await clock.advance(1)
  }
  await clock.advance(10_000)
  return { order, times }
}

describe('datagrams of the memory network', () => {
  const rough = { delayMs: 20, jitterMs: 30, loss: 0.1, duplication: 0.1, reordering: 0.1 }

  it('come the same way for the same seed and another way for another', async () => {
    const runs = await Promise.all([datagrams(rough, 1), datagrams(rough, 1), datagrams(rough, 2)])
    assert.deepEqual(runs[0], runs[1])
    assert.notDeepEqual(runs[0], runs[2])
  })

  it('come whole and in order on a quiet network', async () => {
    const { order, times } = await datagrams({ delayMs: 5 }, 1)
    assert.deepEqual(
      order,
      Array.from({ length: 200 }, (_, index) => index),
    )
    assert.equal(times[0], 5)
  })

  it('are lost, doubled and overtaken as often as the conditions say', async () => {
    const count = async (conditions: Partial<LinkConditions>): Promise<number[]> =>
      (await datagrams(conditions, 3)).order
    const lossy = await count({ loss: 0.3 })
    assert.ok(lossy.length > 110 && lossy.length < 170, `${lossy.length} came`)
    const doubled = await count({ duplication: 0.3 })
    assert.ok(doubled.length > 235 && doubled.length < 285, `${doubled.length} came`)
    const mixed = await count({ delayMs: 5, reordering: 0.3 })
    const overtaken = mixed.filter((number, index) => mixed.slice(0, index).some((before) => before > number)).length
    assert.ok(overtaken > 20, `${overtaken} came late`)
    assert.equal(mixed.length, 200)
  })

  it('do not shift the chance of other ways', async () => {
    const times = async (isBusy: boolean): Promise<number[]> => {
      const { clock, network } = openNetwork({ delayMs: 5, jitterMs: 50 }, 9)
      const seen: number[] = []
      network.host(B).onDatagram(() => void seen.push(clock.monotonic()))
      network.host(C).onDatagram(() => {})
      for (let number = 0; number < 20; number += 1) {
        if (isBusy) network.host(A).sendDatagram(C, Uint8Array.of(1))
        network.host(A).sendDatagram(B, Uint8Array.of(number))
      }
      await clock.advance(1_000)
      return seen
    }
    assert.deepEqual(await times(true), await times(false))
  })

  it('do not cross a partition, also not the one that begins while they travel', async () => {
    const { clock, network } = openNetwork({ delayMs: 10 })
    const seen: number[] = []
    network.host(B).onDatagram((_from, [number = -1]) => void seen.push(number))
    network.host(A).sendDatagram(B, Uint8Array.of(1))
    network.partition([A], [B, C])
    await clock.advance(20)
    network.host(A).sendDatagram(B, Uint8Array.of(2))
    network.host(C).sendDatagram(B, Uint8Array.of(3))
    await clock.advance(20)
    network.heal()
    network.host(A).sendDatagram(B, Uint8Array.of(4))
    await clock.advance(20)
    assert.deepEqual(seen, [3, 4])
  })
})

describe('streams of the memory network', () => {
  it('are held up by a partition and lose nothing', async () => {
    const net = openNetwork({ delayMs: 10 })
    const stream = await connect(net)
    net.network.partition([A], [B])
    stream.send([Uint8Array.of(1)])
    stream.send([Uint8Array.of(2, 3)])
    await net.clock.advance(5_000)
    assert.deepEqual(net.log, [])
    net.network.heal()
    stream.send([Uint8Array.of(4)])
    await net.clock.advance(100)
    assert.deepEqual(net.log, ['6000.0 b got 1', '6000.0 b got 2,3', '6010.0 b got 4'])
  })

  it('take as long as their bytes need on a narrow line', async () => {
    const net = openNetwork({ delayMs: 10, bytesPerMs: 100 })
    const stream = await connect(net)
    const from = net.clock.monotonic()
    stream.send([new Uint8Array(1_000)])
    await net.clock.advance(19)
    assert.equal(net.log.length, 0)
    await net.clock.advance(2)
    assert.equal(net.log.length, 1)
    assert.equal(from, 1_000)
  })

  it('are cut into other pieces than were sent, where the conditions say so', async () => {
    const net = openNetwork({ pieceBytes: 3 })
    const stream = await connect(net)
    stream.send([Uint8Array.from({ length: 50 }, (_, index) => index)])
    await net.clock.advance(100)
    assert.ok(net.log.length > 10)
    assert.deepEqual(
      net.log.flatMap((line) => (line.split('got ')[1] ?? '').split(',').map(Number)),
      Array.from({ length: 50 }, (_, index) => index),
    )
  })

  it('are reset when the other host crashes, and fall silent when it loses its power', async () => {
    const crashed = openNetwork({ delayMs: 10 })
    await connect(crashed)
    crashed.network.crash(B)
    await crashed.clock.advance(100)
    assert.deepEqual(crashed.log, ['1010.0 a closed by an error'])
    const dark = openNetwork({ delayMs: 10 })
    const stream = await connect(dark)
    dark.network.crash(B, { silent: true })
    stream.send([Uint8Array.of(1)])
    await dark.clock.advance(60_000)
    assert.deepEqual(dark.log, [])
    dark.network.restart(B)
    await dark.clock.advance(100)
    assert.deepEqual(dark.log, ['61010.0 a closed by an error'])
  })

  it('cannot be opened to a host that does not listen, is down, or was aborted for', async () => {
    const { clock, network } = openNetwork({ delayMs: 10 })
    const refused = assert.rejects(network.host(A).dial(B, { signal: calm() }), /takes no streams/)
    await clock.advance(100)
    await refused
    network.crash(B, { silent: true })
    const abort = new AbortController()
    const reason = new Error('enough')
    const unanswered = assert.rejects(network.host(A).dial(B, { signal: abort.signal }), reason)
    await clock.advance(60_000)
    abort.abort(reason)
    await unanswered
    await assert.rejects(network.host(B).dial(A, { signal: calm() }), /is down/)
  })

  it('can be opened again after a restart, by a host that has nothing of before', async () => {
    const net = openNetwork({ delayMs: 10 })
    await connect(net)
    net.network.crash(B)
    await net.clock.advance(100)
    net.network.restart(B)
    const refused = assert.rejects(net.network.host(A).dial(B, { signal: calm() }), /takes no streams/)
    await net.clock.advance(100)
    await refused
    net.log.length = 0
    const stream = await connect(net)
    stream.send([Uint8Array.of(9)])
    await net.clock.advance(10)
    assert.equal(net.log.length, 1)
  })

  it('may be slow one way only', async () => {
    const net = openNetwork({ delayMs: 1 })
    net.network.setWay(B, A, { delayMs: 200 })
    let isOpen = false
    net.network.host(B).listen(() => {})
    const dialling = net.network
      .host(A)
      .dial(B, { signal: calm() })
      .then(() => {
        isOpen = true
      })
    await net.clock.advance(200)
    assert.equal(isOpen, false)
    await net.clock.advance(1)
    assert.equal(isOpen, true)
    await dialling
  })
})
