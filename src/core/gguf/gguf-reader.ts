/** Reads a GGUF header forwards through a bounded window, so that no length in the file decides how much memory is taken. */
import { limit } from '../limits.ts'
import { ggufInvalid, type ReadBytes } from './gguf-header.ts'
import { decodeUtf8 } from './utf8.ts'

/** One read of the file; large enough that a vocabulary of 260,000 tokens takes about 60 reads. */
const WINDOW_BYTES = 64 * 1024

const TWO_32 = 2 ** 32

/** All numbers are little-endian. Methods without a promise need the bytes to be `ready` first. */
export class GgufReader {
  readonly #read: ReadBytes
  readonly #fileSizeBytes: number
  readonly #endBytes: number
  #window: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  /** The window's place in the file, and the next byte's place in the window. */
  #windowAt = 0
  #next = 0

  constructor(read: ReadBytes, fileSizeBytes: number) {
    this.#read = read
    this.#fileSizeBytes = fileSizeBytes
    this.#endBytes = Math.min(fileSizeBytes, limit('ggufHeaderBytes'))
  }

  /** The file offset of the next byte. */
  get position(): number {
    return this.#windowAt + this.#next
  }

  /** Bytes that the header may still have. */
  get remaining(): number {
    return this.#endBytes - this.position
  }

  /** Whether the next `bytes` are here already. */
  ready(bytes: number): boolean {
    return this.#next + bytes <= this.#window.length
  }

  /** Makes the next `bytes` ready; at most a window of them, or a kept string. */
  async fill(bytes: number): Promise<void> {
    if (this.ready(bytes)) return
    this.require(bytes)
    const at = this.position
    const wanted = Math.min(Math.max(bytes, WINDOW_BYTES), this.#endBytes - at)
    const window = await this.#read(at, wanted)
    if (window.length < bytes) throw ggufInvalid('the file is shorter than its size', at + window.length)
    this.#window = window
    this.#view = new DataView(window.buffer, window.byteOffset, window.length)
    this.#windowAt = at
    this.#next = 0
  }

  /** Refuses unless the header may have `bytes` more. */
  require(bytes: number): void {
    if (bytes <= this.remaining) return
    const cause = this.#endBytes === this.#fileSizeBytes ? 'the file ends inside its header' : 'the header is too large'
    throw ggufInvalid(cause, this.position)
  }

  /** Passes over `bytes` without reading them. */
  skip(bytes: number): void {
    this.require(bytes)
    this.#next += bytes
    // Beyond the window the next fill starts afresh from here.
    if (this.#next > this.#window.length) {
      this.#windowAt += this.#next
      this.#next = 0
      this.#window = this.#window.subarray(0, 0)
    }
  }

  /** Reads the next `bytes` as a number and passes over them. */
  take(bytes: number, get: (view: DataView, at: number) => number): number {
    const value = get(this.#view, this.#next)
    this.#next += bytes
    return value
  }

  uint32(): number {
    return this.take(4, (view, at) => view.getUint32(at, true))
  }

  /** A 64-bit count, length or offset; one that a number cannot hold is larger than any file. */
  size(what: string): number {
    const at = this.position
    const low = this.uint32()
    const value = this.uint32() * TWO_32 + low
    if (!Number.isSafeInteger(value)) throw ggufInvalid(`${what} is absurdly large`, at)
    return value
  }

  /** An exact 64-bit integer. */
  integer(signed: boolean): number | bigint {
    const value = signed ? this.#view.getBigInt64(this.#next, true) : this.#view.getBigUint64(this.#next, true)
    this.#next += 8
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }

  /** The text of the next `bytes`, which must be UTF-8. */
  async text(bytes: number, what: string): Promise<string> {
    await this.fill(bytes)
    const text = decodeUtf8(this.#window.subarray(this.#next, this.#next + bytes))
    if (text === undefined) throw ggufInvalid(`${what} is not UTF-8`, this.position)
    this.#next += bytes
    return text
  }
}
