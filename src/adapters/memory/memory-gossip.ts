/** Gossip, questions and connections among nodes of one process, with the faults of a network; for tests and simulations. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type {
  Answerer,
  ConnectionChange,
  Connections,
  GossipMessage,
  PeerExchange,
  PubSub,
  Verdict,
} from '../../ports/gossip.ts'

/** What happens to what is sent from one node to another at this moment. */
export interface LinkFaults {
  /** Shortest and longest delay; what overtakes is reordered. */
  readonly delayMs: readonly [number, number]
  /** Chances between 0 and 1, of a gossip message on one link; questions fail instead of being lost. */
  readonly loss: number
  readonly duplication: number
}

export interface MemoryGossipDeps {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly chance: () => number
}

const SEEN_MESSAGES = 20_000
/** Neighbours to which a message is passed on; of 1,000 nodes one in 3,000 deliveries is missed by that. */
const FAN_OUT = 8

interface Message {
  readonly number: number
  readonly topic: string
  readonly data: Uint8Array
}

/** The network: which nodes there are, which may talk, and how badly. */
export class MemoryGossipNetwork {
  readonly deps: MemoryGossipDeps
  readonly #nodes = new Map<NodeId, MemoryGossip>()
  #partOf: ((peer: NodeId) => number) | undefined
  faults: LinkFaults = { delayMs: [1, 20], loss: 0, duplication: 0 }
  /** Gossip that crossed a link in bytes and messages, and messages that a node got for the first time. */
  readonly counts = { gossipBytes: 0, copies: 0, deliveries: 0, questions: 0, questionBytes: 0 }
  #messages = 0

  constructor(deps: MemoryGossipDeps) {
    this.deps = deps
  }

  /** A node that is up, without connections. */
  open(peer: NodeId): MemoryGossip {
    this.remove(peer)
    const node = new MemoryGossip(this, peer)
    this.#nodes.set(peer, node)
    return node
  }

  node(peer: NodeId): MemoryGossip | undefined {
    return this.#nodes.get(peer)
  }

  /** Nodes of different parts cannot reach each other; connections between them break. */
  partition(partOf: (peer: NodeId) => number): void {
    this.#partOf = partOf
    for (const node of this.#nodes.values()) {
      for (const other of node.peers()) if (!this.canReach(node.self, other)) this.disconnect(node.self, other)
    }
  }

  heal(): void {
    this.#partOf = undefined
  }

  canReach(a: NodeId, b: NodeId): boolean {
    return this.#partOf === undefined || this.#partOf(a) === this.#partOf(b)
  }

  disconnect(a: NodeId, b: NodeId): void {
    this.#nodes.get(a)?.lost(b)
    this.#nodes.get(b)?.lost(a)
  }

  /** The node is gone at once, as a killed process is; with `only`, unless it was opened anew since. */
  remove(peer: NodeId, only?: MemoryGossip): void {
    const node = this.#nodes.get(peer)
    if (only !== undefined && node !== only) return
    for (const other of node?.peers() ?? []) this.disconnect(peer, other)
    this.#nodes.delete(peer)
  }

  nextMessage(): number {
    this.#messages += 1
    return this.#messages
  }

  delayMs(): number {
    const [least, most] = this.faults.delayMs
    return Math.round(least + this.deps.chance() * (most - least))
  }
}

/** One node's end. Addresses are `/memory/<peer id>`. */
export class MemoryGossip implements PubSub, PeerExchange, Connections {
  readonly self: NodeId
  readonly #network: MemoryGossipNetwork
  readonly #peers = new Set<NodeId>()
  readonly #listeners = new Set<(change: ConnectionChange) => void>()
  readonly #judges = new Map<string, (message: GossipMessage) => Verdict>()
  readonly #answerers = new Map<string, Answerer>()
  readonly #seen = new Set<number>()
  /** Verdicts given, for tests. */
  readonly verdicts: Record<Verdict, number> = { accept: 0, ignore: 0, reject: 0 }

  constructor(network: MemoryGossipNetwork, self: NodeId) {
    this.#network = network
    this.self = self
  }

  publish(topic: string, data: Uint8Array, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (data.length > limit('gossipMessageBytes')) {
      return Promise.reject(
        new HeddleError('payload_too_large', `a gossip message of ${data.length} bytes is too long`),
      )
    }
    const message = { number: this.#network.nextMessage(), topic, data: Uint8Array.from(data) }
    this.#sawBefore(message.number)
    this.#passOn(message, undefined)
    return Promise.resolve()
  }

  subscribe(topic: string, judge: (message: GossipMessage) => Verdict): () => void {
    this.#judges.set(topic, judge)
    return () => void this.#judges.delete(topic)
  }

  async ask(
    peer: NodeId,
    protocol: string,
    question: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { clock, chance } = this.#network.deps
    signal.throwIfAborted()
    this.#network.counts.questions += 1
    this.#network.counts.questionBytes += question.length
    await clock.sleep(this.#network.delayMs(), { signal })
    if (chance() < this.#network.faults.loss) throw unreachable(peer)
    const other = this.#network.node(peer)
    const answerer = other?.answererOf(protocol)
    if (!this.#peers.has(peer) || answerer === undefined || question.length > limit('syncMessageBytes'))
      throw unreachable(peer)
    const asked = new AbortController()
    using _ = { [Symbol.dispose]: () => asked.abort(new HeddleError('client_closed', 'the asker has left')) }
    const answering = answerer(this.self, Uint8Array.from(question), {
      signal: AbortSignal.any([signal, asked.signal]),
    })
    const answer = await untilAborted(answering, signal).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw unreachable(peer, cause)
    })
    await clock.sleep(this.#network.delayMs(), { signal })
    if (!this.#peers.has(peer) || this.#network.node(peer) !== other || answer.length > limit('syncMessageBytes'))
      throw unreachable(peer)
    this.#network.counts.questionBytes += answer.length
    return Uint8Array.from(answer)
  }

  answer(protocol: string, answerer: Answerer): () => void {
    this.#answerers.set(protocol, answerer)
    return () => void this.#answerers.delete(protocol)
  }

  peers(): readonly NodeId[] {
    return [...this.#peers]
  }

  onChange(listener: (change: ConnectionChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async connect(address: string, { signal }: { readonly signal: AbortSignal }): Promise<NodeId> {
    const peer = (/^\/memory\/(\w+)$/.exec(address)?.[1] ?? '') as NodeId
    await this.#network.deps.clock.sleep(this.#network.delayMs(), { signal })
    const other = this.#network.node(peer)
    const isUp = this.#network.node(this.self) === this
    if (!isUp || other === undefined || other === this || !this.#network.canReach(this.self, peer))
      throw unreachable(peer)
    if (!this.#peers.has(peer)) {
      this.gained(peer)
      other.gained(this.self)
    }
    return peer
  }

  answererOf(protocol: string): Answerer | undefined {
    return this.#answerers.get(protocol)
  }

  gained(peer: NodeId): void {
    if (this.#peers.has(peer)) return
    this.#peers.add(peer)
    for (const listener of this.#listeners) listener({ peer, isConnected: true })
  }

  lost(peer: NodeId): void {
    if (!this.#peers.delete(peer)) return
    for (const listener of this.#listeners) listener({ peer, isConnected: false })
  }

  /** Hands a message to the judge of its topic and passes it on where that accepts it. */
  #receive(from: NodeId, message: Message): void {
    if (this.#network.node(this.self) !== this || !this.#peers.has(from) || this.#sawBefore(message.number)) return
    const judge = this.#judges.get(message.topic)
    if (judge === undefined) return
    this.#network.counts.deliveries += 1
    const verdict = judge({ from, data: Uint8Array.from(message.data) })
    this.verdicts[verdict] += 1
    if (verdict === 'accept') this.#passOn(message, from)
  }

  #passOn(message: Message, from: NodeId | undefined): void {
    const { clock, chance } = this.#network.deps
    for (const peer of someOf(this.#peers, FAN_OUT, chance)) {
      if (peer === from) continue
      const { loss, duplication } = this.#network.faults
      const copies = chance() < loss ? 0 : chance() < duplication ? 2 : 1
      for (let copy = 0; copy < copies; copy += 1) {
        const other = this.#network.node(peer)
        this.#network.counts.copies += 1
        this.#network.counts.gossipBytes += message.data.length
        // What the other side has seen already would be dropped on arrival; no event is spent on it.
        if (other === undefined || other.#seen.has(message.number)) continue
        clock.after(this.#network.delayMs(), () => other.#receive(this.self, message))
      }
    }
  }

  #sawBefore(number: number): boolean {
    if (this.#seen.has(number)) return true
    this.#seen.add(number)
    const oldest = this.#seen.size > SEEN_MESSAGES ? this.#seen.values().next() : undefined
    if (oldest?.done === false) this.#seen.delete(oldest.value)
    return false
  }
}

/** Up to `most` of the items, chosen by chance. */
function someOf<T>(items: ReadonlySet<T>, most: number, chance: () => number): readonly T[] {
  const list = [...items]
  for (let index = 0; index < Math.min(most, list.length - 1); index += 1) {
    const other = index + Math.floor(chance() * (list.length - index))
    const [a, b] = [list[index], list[other]] as [T, T]
    list[index] = b
    list[other] = a
  }
  return list.slice(0, most)
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function unreachable(peer: NodeId, cause?: unknown): HeddleError {
  return new HeddleError('peer_unreachable', `cannot reach ${peer}`, { cause })
}
