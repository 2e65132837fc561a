/** One direction of a stream through the memory network: in order, late, and held back while the way is blocked. */
import type { Clock } from '../../ports/clock.ts'
import type { MemoryLink } from './memory-duplex.ts'
import type { SeededRandom } from './seeded-random.ts'

/** How the way between two hosts is. Streams are slow and held up, never lost; datagrams suffer everything. */
export interface LinkConditions {
  /** The least time of one way. */
  readonly delayMs: number
  /** The most that is added to it at random. */
  readonly jitterMs: number
  /** What a stream carries in a millisecond; Infinity for as much as is sent. */
  readonly bytesPerMs: number
  /** Arrays of a stream are cut into random pieces of at most this size; Infinity leaves them whole. */
  readonly pieceBytes: number
  /** Probability that a datagram is lost. */
  readonly loss: number
  /** Probability that it comes twice. */
  readonly duplication: number
  /** Probability that it is overtaken by later ones. */
  readonly reordering: number
}

export interface NetworkLinkDeps {
  readonly clock: Clock
  readonly random: SeededRandom
  /** Read anew for each use, as conditions change. */
  readonly conditions: () => LinkConditions
  /** Whether anything arrives at all now. */
  readonly isOpen: () => boolean
}

interface Parcel {
  readonly atMs: number
  readonly task: () => void
}

export class NetworkLink implements MemoryLink {
  readonly #deps: NetworkLinkDeps
  #parcels: Parcel[] = []
  #lastAtMs = 0
  /** When the bytes sent so far have all been put on the line. */
  #sentAtMs = 0
  #isRunning = false
  #isDead = false

  constructor(deps: NetworkLinkDeps) {
    this.#deps = deps
  }

  carry(bytes: number, task: () => void): void {
    if (this.#isDead) return
    const { clock } = this.#deps
    const now = clock.monotonic()
    const { delayMs, jitterMs, bytesPerMs } = this.#deps.conditions()
    this.#sentAtMs = Math.max(now, this.#sentAtMs) + bytes / bytesPerMs
    const arrivesAt = this.#sentAtMs + delayMs + this.#deps.random.fraction() * jitterMs
    this.#lastAtMs = Math.max(this.#lastAtMs, arrivesAt)
    this.#parcels.push({ atMs: this.#lastAtMs, task })
    this.#run()
  }

  soon(task: () => void): void {
    this.#deps.clock.after(0, () => {
      if (!this.#isDead) task()
    })
  }

  piecesOf(chunk: Uint8Array): readonly Uint8Array[] {
    const { pieceBytes } = this.#deps.conditions()
    if (chunk.length <= 1 || pieceBytes === Infinity) return [chunk]
    const pieces: Uint8Array[] = []
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + 1 + this.#deps.random.integer(pieceBytes))
      pieces.push(chunk.subarray(at, end))
      at = end
    }
    return pieces
  }

  /** The way may be open again. */
  wake(): void {
    this.#run()
  }

  /** Loses everything, now and from now on. */
  kill(): void {
    this.#isDead = true
    this.#parcels = []
  }

  #run(): void {
    const first = this.#parcels[0]
    if (this.#isRunning || first === undefined) return
    this.#isRunning = true
    const { clock } = this.#deps
    clock.after(Math.max(0, first.atMs - clock.monotonic()), () => {
      this.#isRunning = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const now = this.#deps.clock.monotonic()
    // Each task may send, break the stream, or block the way, so everything is asked again for each.
    while (this.#deps.isOpen()) {
      const first = this.#parcels[0]
      if (first === undefined || first.atMs > now) return this.#run()
      this.#parcels.shift()
      first.task()
    }
  }
}
