/** Streams to peers over the memory network, with direct ways and circuits between them that come and go. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { ByteDuplexEvents } from '../../core/mesh/byte-duplex.ts'
import type { Duplex } from '../../ports/duplex.ts'
import type { OpenOptions, PeerPath, PeerStream, PeerStreams } from '../../ports/peer-streams.ts'
import type { MemoryHost } from './memory-host.ts'
import type { MemoryNetwork } from './memory-network.ts'

type WayKind = PeerPath['kind']
/** Best first. */
const KINDS: readonly WayKind[] = ['direct', 'circuit']

/** The nodes that have streams to each other, and which ways lead between them. */
export class MemoryPeerNetwork {
  readonly network: MemoryNetwork
  readonly #nodes = new Map<NodeId, MemoryPeerStreams>()
  readonly #ways = new Map<string, readonly WayKind[]>()

  constructor(network: MemoryNetwork) {
    this.network = network
  }

  /** The streams of a node that starts; those that it had before are no more. */
  open(self: NodeId): MemoryPeerStreams {
    const node = new MemoryPeerStreams(this, self)
    this.#nodes.set(self, node)
    return node
  }

  /** Which ways lead between two nodes; a direct one unless said otherwise. */
  waysBetween(a: NodeId, b: NodeId): readonly WayKind[] {
    return this.#ways.get(pairOf(a, b)) ?? ['direct']
  }

  /** Changes them: streams on a way that is no more break, and nodes that are connected hear of a new one. */
  setWays(a: NodeId, b: NodeId, kinds: readonly WayKind[]): void {
    const before = this.waysBetween(a, b)
    this.#ways.set(pairOf(a, b), kinds)
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const)
      this.#nodes.get(one)?.waysChanged(other, before)
  }
}

/** One node's end. Addresses are `/memory/<node id>`. */
export class MemoryPeerStreams implements PeerStreams {
  readonly self: NodeId
  readonly #all: MemoryPeerNetwork
  readonly #host: MemoryHost
  readonly #streams = new Set<MemoryPeerStream>()
  readonly #listeners = new Set<(peer: NodeId, path: PeerPath) => void>()

  constructor(all: MemoryPeerNetwork, self: NodeId) {
    this.#all = all
    this.self = self
    this.#host = all.network.host(self)
  }

  async open(peer: NodeId, protocol: string, { addresses, signal }: OpenOptions): Promise<PeerStream> {
    signal.throwIfAborted()
    const isKnown = this.#streamsWith(peer).length > 0 || addresses.includes(addressOf(peer))
    const [kind] = KINDS.filter((each) => this.#all.waysBetween(this.self, peer).includes(each))
    if (!isKnown || kind === undefined || peer === this.self) throw unreachable(peer)
    const late = new AbortController()
    using _ = this.#all.network.clock.after(limit('connectTimeoutMs'), () => late.abort())
    const options = { signal: AbortSignal.any([signal, late.signal]), protocol: labelOf(kind, protocol) }
    const duplex = await this.#host.dial(peer, options).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw unreachable(peer, cause)
    })
    if (!this.#isWay(kind, duplex)) throw unreachable(peer)
    return this.#keep(duplex, kind)
  }

  accept(protocol: string, onStream: (stream: PeerStream) => void): () => void {
    const endings = KINDS.map((kind) =>
      this.#host.listen(
        (duplex) => {
          if (this.#isWay(kind, duplex)) onStream(this.#keep(duplex, kind))
        },
        labelOf(kind, protocol),
      ),
    )
    return () => {
      for (const end of endings) end()
    }
  }

  /** A node is connected as long as a stream is open. */
  paths(peer: NodeId): readonly PeerPath[] {
    const used = new Set(this.#streamsWith(peer).map(({ path }) => path.kind))
    if (used.size === 0) return []
    const ways = this.#all.waysBetween(this.self, peer)
    return KINDS.filter((kind) => ways.includes(kind)).map((kind) => pathOf(kind, peer))
  }

  onPath(listener: (peer: NodeId, path: PeerPath) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Called by the network. */
  waysChanged(peer: NodeId, before: readonly WayKind[]): void {
    const ways = this.#all.waysBetween(this.self, peer)
    const streams = this.#streamsWith(peer)
    for (const stream of streams)
      if (!ways.includes(stream.path.kind))
        stream.abort(new HeddleError('upstream_failed', 'the way to the peer is gone'))
    if (streams.length === 0) return
    for (const kind of ways) if (!before.includes(kind)) this.#tellPath(peer, kind)
  }

  /** A stream whose way went while it was being made goes with it. */
  #isWay(kind: WayKind, duplex: Duplex): boolean {
    const isThere = this.#all.waysBetween(this.self, duplex.peer).includes(kind)
    if (!isThere) duplex.abort(new HeddleError('upstream_failed', 'the way to the peer is gone'))
    return isThere
  }

  #keep(duplex: Duplex, kind: WayKind): PeerStream {
    const isNew = !this.#streamsWith(duplex.peer).some(({ path }) => path.kind === kind)
    const stream = new MemoryPeerStream(duplex, pathOf(kind, duplex.peer), {
      onClosed: () => void this.#streams.delete(stream),
      onCut: () => this.#cut(stream),
    })
    this.#streams.add(stream)
    if (isNew) this.#tellPath(duplex.peer, kind)
    return stream
  }

  /** Everything on the way of `stream` ends with it. */
  #cut({ peer, path }: MemoryPeerStream): void {
    for (const each of this.#streamsWith(peer))
      if (each.path.kind === path.kind) each.abort(new HeddleError('upstream_failed', 'the peer gives no sign of life'))
  }

  #streamsWith(peer: NodeId): readonly MemoryPeerStream[] {
    return [...this.#streams].filter((stream) => stream.peer === peer)
  }

  #tellPath(peer: NodeId, kind: WayKind): void {
    for (const listener of this.#listeners) listener(peer, pathOf(kind, peer))
  }
}

interface MemoryStreamHost {
  readonly onClosed: () => void
  readonly onCut: () => void
}

class MemoryPeerStream implements PeerStream {
  readonly peer: NodeId
  readonly path: PeerPath
  readonly #duplex: Duplex
  readonly #host: MemoryStreamHost

  constructor(duplex: Duplex, path: PeerPath, host: MemoryStreamHost) {
    this.peer = duplex.peer
    this.path = path
    this.#duplex = duplex
    this.#host = host
  }

  start(events: ByteDuplexEvents): void {
    this.#duplex.start({
      received: (bytes) => events.received(bytes),
      drained: () => events.drained(),
      closed: (error) => {
        this.#host.onClosed()
        events.closed(error)
      },
    })
  }

  send(chunks: readonly Uint8Array[]): boolean {
    return this.#duplex.send(chunks)
  }

  close(): void {
    this.#duplex.close()
  }

  abort(error: unknown): void {
    this.#duplex.abort(error)
  }

  cut(): void {
    this.#host.onCut()
  }
}

function pathOf(kind: WayKind, peer: NodeId): PeerPath {
  return { kind, transport: 'memory', address: addressOf(peer) }
}

const addressOf = (peer: NodeId): string => `/memory/${peer}`
/** Each kind of way is a protocol of its own to the host below, so that both ends know which one a stream takes. */
const labelOf = (kind: WayKind, protocol: string): string => `${kind} ${protocol}`
const pairOf = (a: NodeId, b: NodeId): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

function unreachable(peer: NodeId, cause?: unknown): HeddleError {
  return new HeddleError('peer_unreachable', `cannot reach ${peer}`, { cause })
}
