/** The chunked transfer coding (RFC 9112 §7.1), taken off as the bytes come: strictly, in place and without an allocation. */
import { limit } from '../../../core/limits.ts'
import { COLON, CR, FIELD, hexValue, LF, MALFORMED, SEMICOLON, TOKEN } from './octets.ts'

const SIZE = 0
const EXTENSION = 1
const SIZE_END = 2
const DATA = 3
const DATA_CR = 4
const DATA_END = 5
const TRAILER_START = 6
const TRAILER_NAME = 7
const TRAILER = 8
const TRAILER_END = 9
const END = 10
const DONE = 11

/** 48 bits: larger sizes could not be counted exactly. */
const SIZE_DIGITS = 12
/** Extensions and trailers are read over; those of one chunk, and all trailers, count like a head. */
const OVERHEAD_BYTES = limit('headerBytes')

export class ChunkedDecoder {
  /** The content that the last `decode` found. */
  contentStart = 0
  contentEnd = 0
  /** After MALFORMED: what is wrong. */
  problem = ''
  #state = DONE
  #digits = 0
  #remaining = 0
  #overhead = 0

  /** Whether the last chunk and the trailers have been read. */
  get isDone(): boolean {
    return this.#state === DONE
  }

  /** Expects a new body. */
  reset(): void {
    this.#state = SIZE
    this.#digits = 0
    this.#remaining = 0
    this.#overhead = 0
  }

  /**
   * Decodes `bytes` from `start` to `end` and moves the content of all chunks together, to `contentStart` up to `contentEnd`.
   * Returns the position behind the last byte that belongs to the body, or MALFORMED; bytes behind the body's end are not touched.
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    this.contentStart = start
    this.contentEnd = start
    let at = start
    while (at < end && this.#state !== DONE) {
      if (this.#state === DATA) {
        at = this.#take(bytes, at, end)
        continue
      }
      if (!this.#step(bytes[at] as number)) return MALFORMED
      at += 1
    }
    return at
  }

  #take(bytes: Uint8Array, at: number, end: number): number {
    const length = Math.min(this.#remaining, end - at)
    if (this.contentEnd === this.contentStart) {
      this.contentStart = at
      this.contentEnd = at + length
    } else {
      bytes.copyWithin(this.contentEnd, at, at + length)
      this.contentEnd += length
    }
    this.#remaining -= length
    if (this.#remaining === 0) this.#state = DATA_CR
    return at + length
  }

  /** One byte of what stands around the content. */
  #step(octet: number): boolean {
    switch (this.#state) {
      case SIZE:
        return this.#sizeDigit(octet) || this.#sizeOver(octet)
      case EXTENSION:
        if (octet === CR) this.#state = SIZE_END
        else return this.#overhears(octet, FIELD)
        return true
      case SIZE_END:
        if (octet !== LF) return this.#wrong('a bare carriage return')
        this.#state = this.#remaining === 0 ? TRAILER_START : DATA
        this.#digits = 0
        return true
      case DATA_CR:
        this.#state = DATA_END
        return octet === CR || this.#wrong('a chunk that is longer than its size')
      case DATA_END:
        this.#state = SIZE
        this.#overhead = 0
        return octet === LF || this.#wrong('a bare carriage return')
      case TRAILER_START:
        this.#state = octet === CR ? END : TRAILER_NAME
        return octet === CR || this.#overhears(octet, TOKEN)
      case TRAILER_NAME:
        if (octet === COLON) this.#state = TRAILER
        else return this.#overhears(octet, TOKEN)
        return true
      case TRAILER:
        if (octet === CR) this.#state = TRAILER_END
        else return this.#overhears(octet, FIELD)
        return true
      case TRAILER_END:
        this.#state = TRAILER_START
        return octet === LF || this.#wrong('a bare carriage return')
      default:
        this.#state = DONE
        return octet === LF || this.#wrong('a bare carriage return')
    }
  }

  #sizeDigit(octet: number): boolean {
    const value = hexValue(octet)
    if (value < 0 || this.#digits === SIZE_DIGITS) return false
    this.#remaining = this.#remaining * 16 + value
    this.#digits += 1
    return true
  }

  #sizeOver(octet: number): boolean {
    if (this.#digits === 0) return this.#wrong('a chunk without a size')
    if (octet === CR) this.#state = SIZE_END
    else if (octet === SEMICOLON) this.#state = EXTENSION
    else return this.#wrong('no proper size of a chunk')
    return true
  }

  /** Whether a byte that is read over is one of `octets` and there are not too many. */
  #overhears(octet: number, octets: Uint8Array): boolean {
    this.#overhead += 1
    if (this.#overhead > OVERHEAD_BYTES) return this.#wrong('extensions or trailers that are too large')
    return octets[octet] === 1 || this.#wrong('a line of a chunk or trailer that is none')
  }

  #wrong(problem: string): false {
    this.problem = problem
    return false
  }
}
