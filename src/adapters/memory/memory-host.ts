/** One host of the memory network: dials and takes streams, sends and takes datagrams, crashes and comes back. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Duplex } from '../../ports/duplex.ts'
import { MemoryDuplex } from './memory-duplex.ts'
import type { LinkConditions, NetworkLink } from './memory-link.ts'
import type { SeededRandom } from './seeded-random.ts'

/** What a host asks of its network. */
export interface HostNetwork {
  readonly clock: Clock
  host(id: NodeId): MemoryHost
  link(from: NodeId, to: NodeId): NetworkLink
  forget(link: NetworkLink): void
  isReachable(from: NodeId, to: NodeId): boolean
  conditionsOf(from: NodeId, to: NodeId): LinkConditions
  randomOf(from: NodeId, to: NodeId): SeededRandom
}

/** A stream as one of its two hosts sees it. */
interface Stream {
  readonly own: MemoryDuplex
  readonly other: MemoryDuplex
  readonly links: readonly NetworkLink[]
}

/** How much longer than usual a datagram may travel that others overtake. */
const OVERTAKEN = 8

export class MemoryHost {
  readonly id: NodeId
  readonly #network: HostNetwork
  #state: 'up' | 'crashed' | 'dark' = 'up'
  /** By protocol. */
  readonly #onStream = new Map<string, (duplex: Duplex) => void>()
  #onDatagram: ((from: NodeId, bytes: Uint8Array) => void) | undefined
  #streams: Stream[] = []

  constructor(network: HostNetwork, id: NodeId) {
    this.#network = network
    this.id = id
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Takes streams of a protocol from now on; the result stops it. */
  listen(onStream: (duplex: Duplex) => void, protocol = ''): () => void {
    this.#onStream.set(protocol, onStream)
    return () => {
      if (this.#onStream.get(protocol) === onStream) this.#onStream.delete(protocol)
    }
  }

  /** Takes datagrams from now on. */
  onDatagram(onDatagram: (from: NodeId, bytes: Uint8Array) => void): void {
    this.#onDatagram = onDatagram
  }

  /** A stream to `to`. A host that cannot be reached, or is dark, does not answer: only the signal ends the wait. */
  dial(
    to: NodeId,
    { signal, protocol = '' }: { readonly signal: AbortSignal; readonly protocol?: string },
  ): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
    if (signal.aborted) return Promise.reject(signal.reason)
    if (!this.isUp) return Promise.reject(new HeddleError('upstream_failed', `${this.id} is down`))
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    const out = this.#network.link(this.id, to)
    const back = this.#network.link(to, this.id)
    out.carry(0, () => {
      const taken = this.#network.host(to).#take({ id: this.id, link: out }, back, protocol)
      if (taken === 'silence') return
      back.carry(0, () => {
        if (taken === 'refused') return reject(new HeddleError('upstream_failed', `${to} takes no streams`))
        if (signal.aborted || !this.isUp) return taken.other.abort(signal.reason)
        this.#keep({ own: taken.other, other: taken.own, links: taken.links })
        resolve(taken.other)
      })
    })
    return promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** Sends bytes that may be lost, come twice, or come late. */
  sendDatagram(to: NodeId, bytes: Uint8Array): void {
    if (!this.isUp) return
    const { clock } = this.#network
    const random = this.#network.randomOf(this.id, to)
    const { delayMs, jitterMs, loss, duplication, reordering } = this.#network.conditionsOf(this.id, to)
    if (random.happens(loss)) return
    for (let copies = random.happens(duplication) ? 2 : 1; copies > 0; copies -= 1) {
      const usualMs = delayMs + random.fraction() * jitterMs
      const lateMs = random.happens(reordering) ? usualMs * OVERTAKEN * random.fraction() : 0
      clock.after(usualMs + lateMs, () => {
        const target = this.#network.host(to)
        if (target.isUp && this.#network.isReachable(this.id, to)) target.#onDatagram?.(this.id, bytes)
      })
    }
  }

  /** Called by the network. */
  crash(isSilent: boolean): void {
    if (!this.isUp) return
    this.#state = isSilent ? 'dark' : 'crashed'
    this.#onStream.clear()
    this.#onDatagram = undefined
    for (const { own, links } of this.#streams) {
      own.vanish()
      for (const link of links) link.kill()
    }
    if (!isSilent) this.#resetOthers()
  }

  /** Called by the network. */
  restart(): void {
    if (this.isUp) return
    this.#state = 'up'
    // Whatever the new process gets for a stream that it does not know, it answers with a reset.
    this.#resetOthers()
  }

  #take(
    dialler: { readonly id: NodeId; readonly link: NetworkLink },
    back: NetworkLink,
    protocol: string,
  ): Stream | 'refused' | 'silence' {
    if (this.#state === 'dark') return 'silence'
    const onStream = this.#onStream.get(protocol)
    if (onStream === undefined) return 'refused'
    const [other, own] = MemoryDuplex.pair(dialler, { id: this.id, link: back })
    const stream: Stream = { own, other, links: [dialler.link, back] }
    this.#keep(stream)
    onStream(own)
    return stream
  }

  #keep(stream: Stream): void {
    const isOver = ({ own, other }: Stream): boolean => own.isClosed && other.isClosed
    for (const { links } of this.#streams.filter(isOver)) for (const link of links) this.#network.forget(link)
    this.#streams = this.#streams.filter((each) => !isOver(each))
    this.#streams.push(stream)
  }

  #resetOthers(): void {
    for (const { other, own, links } of this.#streams) {
      for (const link of links) this.#network.forget(link)
      const way = this.#network.link(this.id, own.peer)
      way.carry(0, () => {
        this.#network.forget(way)
        other.cut(new HeddleError('upstream_failed', `${this.id} reset the stream`))
      })
    }
    this.#streams = []
  }
}
