/** Both ends of a byte stream in one process; how long bytes travel is the link's business. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import type { ByteDuplexEvents } from '../../core/mesh/byte-duplex.ts'
import type { Duplex } from '../../ports/duplex.ts'

/** One direction of a stream. */
export interface MemoryLink {
  /** Runs `task` at the other end, after every task that was given before it, and never from within this call. */
  carry(bytes: number, task: () => void): void
}

/** As much as a socket buffer holds. */
const HIGH_WATER_BYTES = 256 * 1024

type State = 'open' | 'closing' | 'closed'

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
  #state: State = 'open'

  private constructor(peer: NodeId, link: MemoryLink, highWaterBytes: number) {
    this.peer = peer
    this.#link = link
    this.#highWaterBytes = highWaterBytes
  }

  /** The two ends of a stream between `a` and `b`; each link carries what the end of that name sends. */
  static pair(
    a: { readonly id: NodeId; readonly link: MemoryLink },
    b: { readonly id: NodeId; readonly link: MemoryLink },
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

  start(events: ByteDuplexEvents): void {
    const early = this.#early
    this.#early = []
    if (early.length === 0) {
      this.#events = events
      return
    }
    // The other end's link leads here, so what it carries from now on comes after this.
    this.#other.#link.carry(0, () => {
      this.#events = events
      for (const event of [...early, ...this.#early]) event(events)
      this.#early = []
    })
  }

  send(chunks: readonly Uint8Array[]): boolean {
    if (this.#state !== 'open') return false
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#travellingBytes += bytes
    if (this.#travellingBytes >= this.#highWaterBytes) this.#isFull = true
    this.#link.carry(bytes, () => {
      for (const chunk of chunks) this.#other.#tell((events) => events.received(chunk))
      this.#arrived(bytes)
    })
    return !this.#isFull
  }

  close(): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#link.carry(0, () => {
      this.#other.#close(undefined)
      this.#close(undefined)
    })
  }

  abort(error: unknown): void {
    if (this.#state === 'closed') return
    this.#state = 'closing'
    const reset = new HeddleError('upstream_failed', 'the other end reset the stream')
    this.#link.carry(0, () => {
      this.#other.#close(reset)
      this.#close(error)
    })
  }

  /** The end as it is felt when the network breaks the stream: at this end only, at once. */
  cut(error: unknown): void {
    this.#close(error)
  }

  #arrived(bytes: number): void {
    this.#travellingBytes -= bytes
    if (!this.#isFull || this.#travellingBytes * 2 > this.#highWaterBytes) return
    this.#isFull = false
    if (this.#state === 'open') this.#tell((events) => events.drained())
  }

  #close(error: unknown): void {
    if (this.#state === 'closed') return
    this.#tell((events) => events.closed(error))
    this.#state = 'closed'
  }

  #tell(event: (events: ByteDuplexEvents) => void): void {
    if (this.#state === 'closed') return
    if (this.#events === undefined) this.#early.push(event)
    else event(this.#events)
  }
}
