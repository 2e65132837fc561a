/** A body on its way in: bytes that came, not yet taken, and the one who reads them. */
import { HeddleError } from '../errors.ts'

/** Pieces below this size share arrays, and lie together while nobody reads: many small ones cost no more memory than few large ones. */
const SMALL_BYTES = 4 * 1024
const BLOCK_BYTES = 8 * 1024
/** A view that is less than a fourth of the array it belongs to is copied: a reader who keeps it must not pin the rest. */
const PINNED_PART = 4
/** The first piece of a body may pin as much as one read of a socket brings: most bodies have one piece, and it need not be copied. */
const FIRST_PINNED_BYTES = 64 * 1024

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: unknown): void
}

export interface IncomingBodyOwner {
  /** The reader took `bytes`, so that as many may come again. */
  bodyTaken(bytes: number): void
  /** The reader wants no more although more may come. */
  bodyStopped(): void
}

const NOTHING = new Uint8Array(0)
const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

/** One writer (the session) and one reader. A failure reaches the reader after the bytes that came before it. */
export class IncomingBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #owner: IncomingBodyOwner
  #chunks: Uint8Array[] = []
  #next = 0
  /** Where small pieces are copied to, and how much of it is used. */
  #block: Uint8Array = NOTHING
  #used = 0
  /** Where the last chunk begins in `#block`, while further pieces may still be added to it; else -1. */
  #tailAt = -1
  #isFirst = true
  #unreadBytes = 0
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #waiter: Waiter | undefined

  constructor(owner: IncomingBodyOwner) {
    this.#owner = owner
  }

  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** Adds a view of bytes that came; nothing after the end. */
  push(view: Uint8Array): void {
    if (this.#ended || view.length === 0) return
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter.resolve({ done: false, value: this.#own(view) })
      this.#owner.bodyTaken(view.length)
      return
    }
    this.#unreadBytes += view.length
    if (this.#tailAt !== -1 && this.#block.length - this.#used >= view.length) {
      this.#block.set(view, this.#used)
      this.#used += view.length
      return
    }
    this.#closeTail()
    const chunk = this.#own(view)
    this.#chunks.push(chunk)
    if (chunk.buffer === this.#block.buffer) this.#tailAt = chunk.byteOffset
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle((waiter) => waiter.resolve(DONE))
  }

  /** The rest will not come. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.#settle((waiter) => waiter.reject(error))) this.#failure = { error }
  }

  /** The reader's side gave up: its next read fails, whatever waits. */
  abort(error: unknown): void {
    this.#drop()
    if (!this.#settle((waiter) => waiter.reject(error))) this.#failure = { error }
    this.#ended = true
  }

  /** Everything at once, where the end has come already; undefined where it has not. */
  takeWhole(): Uint8Array | undefined {
    if (!this.#ended || this.#failure !== undefined) return undefined
    this.#closeTail()
    const first = this.#chunks[this.#next]
    if (first !== undefined && this.#chunks.length === this.#next + 1) {
      this.#drop()
      return first
    }
    const whole = new Uint8Array(this.#unreadBytes)
    let at = 0
    for (const chunk of this.#chunks.slice(this.#next)) {
      whole.set(chunk, at)
      at += chunk.length
    }
    this.#drop()
    return whole
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#chunks.length > this.#next) return Promise.resolve({ done: false, value: this.#take() })
    if (this.#failure !== undefined) {
      const { error } = this.#failure
      this.#failure = undefined
      return Promise.reject(error)
    }
    if (this.#ended) return Promise.resolve(DONE)
    if (this.#waiter !== undefined)
      return Promise.reject(new HeddleError('internal', 'a body was read twice at the same time'))
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** The reader stops early. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    const isEarly = !this.#ended || this.#unreadBytes > 0
    this.#ended = true
    this.#drop()
    this.#failure = undefined
    this.#settle((waiter) => waiter.resolve(DONE))
    if (isEarly) this.#owner.bodyStopped()
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #take(): Uint8Array {
    if (this.#next === this.#chunks.length - 1) this.#closeTail()
    const chunk = this.#chunks[this.#next] as Uint8Array
    this.#next += 1
    if (this.#next === this.#chunks.length) {
      this.#chunks = []
      this.#next = 0
    } else if (this.#next === 64) {
      this.#chunks.splice(0, 64)
      this.#next = 0
    }
    this.#unreadBytes -= chunk.length
    this.#owner.bodyTaken(chunk.length)
    return chunk
  }

  /** The view itself where it is most of what it pins, else a copy. */
  #own(view: Uint8Array): Uint8Array {
    const pinnedBytes = view.buffer.byteLength
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (view.length * PINNED_PART >= pinnedBytes || (isFirst && pinnedBytes <= FIRST_PINNED_BYTES)) return view
    if (view.length >= SMALL_BYTES) {
      const copy = new Uint8Array(view.length)
      copy.set(view)
      return copy
    }
    if (this.#block.length - this.#used < view.length) {
      this.#block = new Uint8Array(BLOCK_BYTES)
      this.#used = 0
    }
    this.#block.set(view, this.#used)
    this.#used += view.length
    return this.#block.subarray(this.#used - view.length, this.#used)
  }

  #closeTail(): void {
    if (this.#tailAt === -1) return
    this.#chunks[this.#chunks.length - 1] = this.#block.subarray(this.#tailAt, this.#used)
    this.#tailAt = -1
  }

  #drop(): void {
    this.#chunks = []
    this.#next = 0
    this.#tailAt = -1
    this.#unreadBytes = 0
  }

  #settle(how: (waiter: Waiter) => void): boolean {
    const waiter = this.#waiter
    if (waiter === undefined) return false
    this.#waiter = undefined
    how(waiter)
    return true
  }
}
