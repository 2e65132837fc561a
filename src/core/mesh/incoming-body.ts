/** A body on its way in: bytes that came, not yet taken, and the one who reads them. */
import { HeddleError } from '../errors.ts'

/** Pieces below this size are gathered while nobody reads, so that many small ones cost no more memory than few large ones. */
const SMALL_BYTES = 4 * 1024
const BLOCK_BYTES = 8 * 1024
/** A view that is less than this part of the array it belongs to is copied: unread bytes must not pin the rest. */
const PINNED_PART = 4

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

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

/** One writer (the session) and one reader. A failure reaches the reader after the bytes that came before it. */
export class IncomingBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #owner: IncomingBodyOwner
  #chunks: Uint8Array[] = []
  #next = 0
  /** The last chunk, while small pieces are gathered in it, and how much of it is used. */
  #block: Uint8Array | undefined
  #used = 0
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
      waiter.resolve({ done: false, value: ownOf(view) })
      this.#owner.bodyTaken(view.length)
      return
    }
    this.#unreadBytes += view.length
    const block = this.#block
    if (block !== undefined && block.length - this.#used >= view.length) {
      block.set(view, this.#used)
      this.#used += view.length
      return
    }
    this.#closeBlock()
    if (view.length < SMALL_BYTES && this.#chunks.length > this.#next) this.#openBlock(view)
    else this.#chunks.push(ownOf(view))
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
    this.#closeBlock()
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
    if (this.#next === this.#chunks.length - 1) this.#closeBlock()
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

  #openBlock(view: Uint8Array): void {
    this.#block = new Uint8Array(BLOCK_BYTES)
    this.#block.set(view)
    this.#used = view.length
    this.#chunks.push(this.#block)
  }

  #closeBlock(): void {
    if (this.#block === undefined) return
    this.#chunks[this.#chunks.length - 1] = this.#block.subarray(0, this.#used)
    this.#block = undefined
  }

  #drop(): void {
    this.#chunks = []
    this.#next = 0
    this.#block = undefined
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

/** The view itself where it is most of what it pins, else a copy. */
function ownOf(view: Uint8Array): Uint8Array {
  if (view.length * PINNED_PART >= view.buffer.byteLength) return view
  const copy = new Uint8Array(view.length)
  copy.set(view)
  return copy
}
