/** A bounded queue of bytes between one producer that pushes and one consumer that iterates: the body of a response on its way. */

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

export interface ByteChannelOptions {
  /** `push` returns false from this many waiting bytes on; the producer should stop until `onDrain`. */
  readonly highWaterBytes: number
  /** Called when a full channel has been emptied below half of `highWaterBytes`. */
  readonly onDrain?: () => void
  /** Called once if the consumer stops before the end; the producer should stop at its source. */
  readonly onCancel?: () => void
}

/**
 * One producer, one consumer. `push`, `end` and `fail` never throw and are ignored after the end.
 * A failure reaches the consumer after the bytes pushed before it.
 */
export class ByteChannel implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #options: ByteChannelOptions
  #chunks: Uint8Array[] = []
  #head = 0
  #waitingBytes = 0
  #full = false
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #waiter: Waiter | undefined

  constructor(options: ByteChannelOptions) {
    this.#options = options
  }

  /** Bytes pushed and not yet taken. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Adds bytes; false means: stop producing until `onDrain`. The channel keeps the array, so the producer must not reuse it. */
  push(chunk: Uint8Array): boolean {
    if (this.#ended || chunk.length === 0) return !this.#full
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter.resolve({ done: false, value: chunk })
      return true
    }
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes >= this.#options.highWaterBytes) this.#full = true
    return !this.#full
  }

  /** Says that all bytes were pushed. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.resolve(DONE)
  }

  /** Says that the source broke; the consumer gets `error` after the bytes that came before it. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter === undefined) this.#failure = { error }
    else waiter.reject(error)
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const chunk = this.#chunks[this.#head]
    if (chunk !== undefined) {
      this.#take(chunk)
      return Promise.resolve({ done: false, value: chunk })
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure
      this.#failure = undefined
      return Promise.reject(error)
    }
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** The consumer stops early: what waits is dropped and the producer told. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    const wasEnded = this.#ended
    this.#ended = true
    this.#chunks = []
    this.#head = 0
    this.#waitingBytes = 0
    this.#failure = undefined
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.resolve(DONE)
    if (!wasEnded) this.#options.onCancel?.()
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #take(chunk: Uint8Array): void {
    this.#head += 1
    this.#waitingBytes -= chunk.length
    if (this.#head === this.#chunks.length) {
      this.#chunks = []
      this.#head = 0
    }
    if (this.#full && this.#waitingBytes * 2 <= this.#options.highWaterBytes) {
      this.#full = false
      this.#options.onDrain?.()
    }
  }
}

/** A body of bytes that are all here already. */
export async function* bodyOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
