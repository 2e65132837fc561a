/** What every PeerStreams promises; that its streams are good ones is the duplex contract's business. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { PeerPath, PeerStream, PeerStreams } from '../../src/ports/peer-streams.ts'

export interface PeerStreamsNode {
  readonly self: NodeId
  readonly streams: PeerStreams
  /** Where others reach it. */
  readonly addresses: readonly string[]
}

export interface PeerStreamsScope extends AsyncDisposable {
  /** Three nodes that are not connected to each other. */
  readonly nodes: readonly [PeerStreamsNode, PeerStreamsNode, PeerStreamsNode]
  /** The id of a node that does not run, and an address at which nobody answers. */
  readonly absent: { readonly peer: NodeId; readonly address: string }
  /** Lets time pass until the promise is settled. */
  readonly during: <T>(promise: Promise<T>) => Promise<T>
  /** Lets time pass until `condition` holds; fails when it never does. */
  readonly until: (condition: () => boolean) => Promise<void>
}

const ONE = '/heddle/test-one/1'
const TWO = '/heddle/test-two/1'
const isUnreachable = (error: unknown): boolean => error instanceof HeddleError && error.code === 'peer_unreachable'
const calm = (): AbortSignal => new AbortController().signal

/** Everything that came over a stream, and how it ended. */
class Reader {
  readonly #chunks: Uint8Array[] = []
  readonly ends: unknown[] = []

  constructor(stream: PeerStream) {
    stream.start({
      received: (bytes) => void this.#chunks.push(bytes),
      drained: () => undefined,
      closed: (error) => void this.ends.push(error),
    })
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

/** Streams that a node was handed. */
function acceptAll(
  node: PeerStreamsNode,
  protocol: string,
): { readonly taken: PeerStream[]; readonly stop: () => void } {
  const taken: PeerStream[] = []
  return { taken, stop: node.streams.accept(protocol, (stream) => void taken.push(stream)) }
}

/** `open` gives fresh nodes each time. */
export function peerStreamsContract(name: string, open: () => Promise<PeerStreamsScope>): void {
  /** A stream from the first node to the second, both ends. */
  async function connect(scope: PeerStreamsScope, protocol = ONE) {
    const [first, second] = scope.nodes
    const { taken, stop } = acceptAll(second, protocol)
    const opened = await scope.during(
      first.streams.open(second.self, protocol, { addresses: second.addresses, signal: calm() }),
    )
    await scope.until(() => taken.length === 1)
    return { opened, taken: taken[0] as PeerStream, stop }
  }

  describe(`${name} as PeerStreams`, () => {
    it('opens a stream to the peer meant, and both ends know each other and the way', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      const { opened, taken } = await connect(scope)
      assert.deepEqual([opened.peer, taken.peer], [second.self, first.self])
      assert.deepEqual([opened.path.kind, taken.path.kind], ['direct', 'direct'])
      assert.equal(opened.path.transport, taken.path.transport)
      assert.notEqual(opened.path.address, '')
      const [atFirst, atSecond] = [new Reader(opened), new Reader(taken)]
      opened.send([Buffer.from('there')])
      taken.send([Buffer.from('back')])
      await scope.until(() => atSecond.text === 'there' && atFirst.text === 'back')
      opened.close()
      await scope.until(() => atFirst.ends.length === 1 && atSecond.ends.length === 1)
    })

    it('brings each stream to whoever accepts its protocol, many at once', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      const { opened } = await connect(scope)
      const [one, two] = [acceptAll(scope.nodes[2], ONE), acceptAll(second, TWO)]
      const addresses = [...second.addresses]
      const streams = await scope.during(
        Promise.all([
          first.streams.open(second.self, TWO, { addresses, signal: calm() }),
          first.streams.open(second.self, TWO, { addresses, signal: calm() }),
          second.streams.open(scope.nodes[2].self, ONE, { addresses: scope.nodes[2].addresses, signal: calm() }),
        ]),
      )
      await scope.until(() => two.taken.length === 2 && one.taken.length === 1)
      assert.deepEqual(
        [...two.taken, ...one.taken].map(({ peer }) => peer),
        [first.self, first.self, second.self],
      )
      const readers = two.taken.map((stream) => new Reader(stream))
      for (const [index, stream] of [opened, ...streams].entries()) {
        new Reader(stream)
        stream.send([Buffer.from(`stream ${index}`)])
      }
      await scope.until(() => readers.every(({ text }) => text !== ''))
      assert.deepEqual(readers.map(({ text }) => text).sort(), ['stream 1', 'stream 2'])
    })

    it('refuses a protocol that nobody accepts, before and after somebody did', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      const { opened, taken, stop } = await connect(scope)
      const ask = (protocol: string): Promise<unknown> =>
        scope.during(first.streams.open(second.self, protocol, { addresses: second.addresses, signal: calm() }))
      await assert.rejects(ask(TWO), isUnreachable)
      stop()
      await assert.rejects(ask(ONE), isUnreachable)
      const reader = new Reader(taken)
      new Reader(opened)
      opened.send([Buffer.from('what was handed over lives on')])
      await scope.until(() => reader.text === 'what was handed over lives on')
    })

    it('says that a peer cannot be reached: nobody answers, nothing is known, or somebody else is there', async () => {
      await using scope = await open()
      const [first, second, third] = scope.nodes
      acceptAll(third, ONE)
      const ask = (peer: NodeId, addresses: readonly string[]): Promise<unknown> =>
        scope.during(first.streams.open(peer, ONE, { addresses, signal: calm() }))
      await assert.rejects(ask(scope.absent.peer, [scope.absent.address]), isUnreachable)
      await assert.rejects(ask(scope.absent.peer, []), isUnreachable)
      await assert.rejects(ask(second.self, third.addresses), isUnreachable)
      await assert.rejects(ask(first.self, first.addresses), isUnreachable)
    })

    it('finds the good address among bad ones', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      acceptAll(second, ONE)
      const addresses = [scope.absent.address, ...second.addresses, 'no address at all']
      const stream = await scope.during(first.streams.open(second.self, ONE, { addresses, signal: calm() }))
      assert.equal(stream.peer, second.self)
    })

    it('cuts a way with everything on it, on both sides, and makes a new one', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      const { opened, taken } = await connect(scope)
      const others = acceptAll(second, TWO)
      const addresses = [...second.addresses]
      const other = await scope.during(first.streams.open(second.self, TWO, { addresses, signal: calm() }))
      await scope.until(() => others.taken.length === 1)
      const readers = [opened, taken, other, ...others.taken].map((stream) => new Reader(stream))
      opened.cut()
      await scope.until(() => readers.every(({ ends }) => ends.length === 1))
      await scope.until(() => [first.streams.paths(second.self), second.streams.paths(first.self)].flat().length === 0)
      const again = await scope.during(first.streams.open(second.self, TWO, { addresses, signal: calm() }))
      await scope.until(() => others.taken.length === 2)
      assert.equal(again.peer, second.self)
    })

    it('stops with the reason of its signal, and what comes later is closed', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      const { taken } = acceptAll(second, ONE)
      const reason = new Error('no longer wanted')
      const options = { addresses: second.addresses, signal: AbortSignal.abort(reason) }
      await assert.rejects(first.streams.open(second.self, ONE, options), reason)
      const leaving = new AbortController()
      const opening = first.streams.open(second.self, ONE, { addresses: second.addresses, signal: leaving.signal })
      leaving.abort(reason)
      await assert.rejects(scope.during(opening), reason)
      let looks = 0
      await scope.until(() => looks++ === 5)
      const readers = taken.map((stream) => new Reader(stream))
      await scope.until(() => readers.every(({ ends }) => ends.length === 1))
    })

    it('tells both sides of a new way once, and of the ways there are', async () => {
      await using scope = await open()
      const [first, second] = scope.nodes
      assert.deepEqual(first.streams.paths(second.self), [])
      const heard: (readonly [NodeId, PeerPath])[][] = [[], []]
      const stops = [first, second].map((node, index) =>
        node.streams.onPath((peer, path) => void heard[index]?.push([peer, path])),
      )
      await connect(scope)
      await scope.until(() => heard.every((each) => each.length > 0))
      assert.deepEqual(
        heard.map(([change]) => [change?.[0], change?.[1].kind]),
        [
          [second.self, 'direct'],
          [first.self, 'direct'],
        ],
      )
      assert.equal(first.streams.paths(second.self)[0]?.kind, 'direct')
      assert.equal(second.streams.paths(first.self)[0]?.kind, 'direct')
      for (const stop of stops) stop()
      const before = heard.map((each) => each.length)
      acceptAll(first, TWO)
      await scope.during(scope.nodes[2].streams.open(first.self, TWO, { addresses: first.addresses, signal: calm() }))
      assert.deepEqual(
        heard.map((each) => each.length),
        before,
      )
    })
  })
}
