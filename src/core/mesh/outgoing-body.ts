/** A body on its way out: a little of it is fetched ahead, and taken in pieces as credit and turns allow. */
import { limit } from '../limits.ts'
import type { MessageBody } from '../message.ts'

const AHEAD_BYTES = limit('meshAheadBytes')
const AHEAD_ITEMS = limit('meshAheadItems')

export interface OutgoingBodyOwner {
  /** There is something to take, or the end was found. */
  bodyReady(): void
  /** The source broke; what was read before still waits to be taken. */
  bodyFailed(error: unknown): void
}

/** Reads its source only while less than `meshAheadBytes` wait, and never two reads at once. */
export class OutgoingBody {
  readonly #owner: OutgoingBodyOwner
  readonly #source: AsyncIterator<Uint8Array> | undefined
  #chunks: Uint8Array[] = []
  /** Taken of the first chunk already. */
  #offset = 0
  #waitingBytes = 0
  #isReading = false
  #ended = false
  #failed = false
  #stopped = false

  constructor(owner: OutgoingBodyOwner, body: Uint8Array | MessageBody | undefined) {
    this.#owner = owner
    if (body === undefined || body instanceof Uint8Array) {
      this.#ended = true
      if (body !== undefined && body.length > 0) this.#add(body)
    } else {
      this.#source = body[Symbol.asyncIterator]()
    }
  }

  /** Begins to read; the owner is told of what comes. */
  start(): void {
    this.#read()
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Everything was taken, and the source ended well. */
  get isDone(): boolean {
    return this.#ended && this.#waitingBytes === 0 && !this.#failed
  }

  /** The next piece, at most `maxBytes`; call it only while bytes wait. */
  take(maxBytes: number): Uint8Array {
    const chunk = this.#chunks[0] as Uint8Array
    const end = Math.min(chunk.length, this.#offset + maxBytes)
    const piece = this.#offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#offset, end)
    this.#waitingBytes -= piece.length
    if (end === chunk.length) {
      this.#chunks.shift()
      this.#offset = 0
    } else {
      this.#offset = end
    }
    this.#read()
    return piece
  }

  /** The rest is not wanted: the source is told to stop. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#chunks = []
    this.#waitingBytes = 0
    if (this.#ended) return
    this.#ended = true
    // A source that fails while it is being stopped has nobody left to tell.
    this.#source?.return?.()?.then(ignore, ignore)
  }

  #read(): void {
    if (this.#ended || this.#isReading || this.#source === undefined) return
    if (this.#waitingBytes >= AHEAD_BYTES || this.#chunks.length >= AHEAD_ITEMS) return
    this.#isReading = true
    try {
      this.#source.next().then(this.#onResult, this.#onError)
    } catch (error) {
      // Not every source is an async function.
      this.#onError(error)
    }
  }

  readonly #onResult = (result: IteratorResult<Uint8Array>): void => {
    this.#isReading = false
    if (this.#stopped) return
    if (result.done === true) this.#ended = true
    else this.#add(result.value)
    this.#read()
    this.#owner.bodyReady()
  }

  readonly #onError = (error: unknown): void => {
    this.#isReading = false
    if (this.#stopped) return
    this.#ended = true
    this.#failed = true
    this.#owner.bodyFailed(error)
  }

  #add(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
  }
}

function ignore(): void {}
