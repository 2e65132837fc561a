/** Both ends of a byte stream in one process; how long bytes travel, and whether, is the link's business. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import type { ByteDuplexEvents } from '../../core/mesh/byte-duplex.ts'
import type { Duplex } from '../../ports/duplex.ts'

/** One direction of a stream. Neither method ever runs a task from within its own call. */
export interface MemoryLink {
  /** Runs `task` at the other end, after every task that was given to it before. */
  carry(bytes: number, task: () => void): void
  /** Runs `task` at this end, soon. */
  soon(task: () => void): void
  /** How bytes that were sent together come apart on their way. */
  piecesOf?(chunk: Uint8Array): readonly Uint8Array[]
}

export interface MemoryEnd {
  readonly id: NodeId
  /** Carries what this end sends. */
  readonly link: MemoryLink
}

/** As much as a socket buffer holds. */
const HIGH_WATER_BYTES = 256 * 1024

export class MemoryDuplex implements Duplex {
  readonly peer: NodeId
  readonly #link: MemoryLink
  readonly #highWaterBytes: number
  /** The other end; itself only until `pair` has made both. */
  #other: MemoryDuplex = this
  #events: ByteDuplexEvents | undefined
  /** What happened before `start`. */
  #early: ((events: ByteDuplexEvents) => void)[] = []
  #travellingBytes = 0
  #isFull = false
  /** `ending`: closed or aborted by this side, which has not been told of it yet. */
  #state: 'open' | 'ending' | 'closed' = 'open'

  private constructor(peer: NodeId, link: MemoryLink, highWaterBytes: number) {
    this.peer = peer
    this.#link = link
    this.#highWaterBytes = highWaterBytes
  }

  /** The two ends of a stream between `a` and `b`. */
  static pair(
    a: MemoryEnd,
    b: MemoryEnd,
    { highWaterBytes = HIGH_WATER_BYTES }: { readonly highWaterBytes?: number } = {},
  ): readonly [atA: MemoryDuplex, atB: MemoryDuplex] {
    const atA = new MemoryDuplex(b.id, a.link, highWaterBytes)
    const atB = new MemoryDuplex(a.id, b.link, highWaterBytes)
    atA.#other = atB
    atB.#other = atA
    return [atA, atB]
  }

  /** Bytes sent that have not arrived. */
  get travellingBytes(): number {
    return this.#travellingBytes
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  start(events: ByteDuplexEvents): void {
    if (this.#early.length === 0) {
      this.#events = events
      return
    }
    this.#link.soon(() => {
      this.#events = events
      for (const event of this.#early.splice(0)) event(events)
    })
  }

  send(chunks: readonly Uint8Array[]): boolean {
    if (this.#state !== 'open') return false
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#travellingBytes += bytes
    if (this.#travellingBytes >= this.#highWaterBytes) this.#isFull = true
    this.#link.carry(bytes, () => {
      for (const chunk of chunks)
        for (const piece of this.#link.piecesOf?.(chunk) ?? [chunk])
          this.#other.#tell((events) => events.received(piece))
      this.#arrived(bytes)
    })
    return !this.#isFull
  }

  close(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#link.carry(0, () => {
      this.#other.cut(undefined)
      this.cut(undefined)
    })
  }

  abort(error: unknown): void {
    if (this.#state === 'closed') return
    this.#state = 'ending'
    this.#link.soon(() => this.cut(error))
    this.#link.carry(0, () => this.#other.cut(new HeddleError('upstream_failed', 'the other end reset the stream')))
  }

  /** Ends this end now, as the network does it. */
  cut(error: unknown): void {
    if (this.#state === 'closed') return
    this.#tell((events) => events.closed(error))
    this.#state = 'closed'
  }

  /** Ends this end without telling anybody: its process is gone. */
  vanish(): void {
    this.#state = 'closed'
    this.#early = []
  }

  #arrived(bytes: number): void {
    this.#travellingBytes -= bytes
    if (!this.#isFull || this.#travellingBytes * 2 > this.#highWaterBytes) return
    this.#isFull = false
    if (this.#state === 'open') this.#tell((events) => events.drained())
  }

  #tell(event: (events: ByteDuplexEvents) => void): void {
    if (this.#state === 'closed') return
    if (this.#events === undefined) this.#early.push(event)
    else event(this.#events)
  }
}
