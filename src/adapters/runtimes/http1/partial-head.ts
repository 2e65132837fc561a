/** The beginning of a head whose rest has not come yet. */
import { limit } from '../../../core/limits.ts'
import { CR, INCOMPLETE, LF, MALFORMED } from './octets.ts'
import type { ResponseHead } from './response-head.ts'

const HEAD_BYTES = limit('headerBytes')

/** Each byte is looked at once until the head is whole, in however many pieces it comes; then it is parsed. */
export class PartialHead {
  readonly #bytes = Buffer.allocUnsafe(HEAD_BYTES)
  #length = 0

  /** Adds bytes; returns the position behind the head's last byte in `bytes`, or INCOMPLETE, or MALFORMED. */
  add(head: ResponseHead, bytes: Buffer, start: number, end: number): number {
    const room = HEAD_BYTES - this.#length
    const added = bytes.copy(this.#bytes, this.#length, start, Math.min(end, start + room))
    const before = this.#length
    this.#length += added
    // The first look at each piece also finds what can never become a head.
    if (before < 9 && head.parse(this.#bytes, 0, Math.min(this.#length, 9)) === MALFORMED) return MALFORMED
    const headEnd = this.#endFrom(before)
    if (headEnd !== INCOMPLETE) {
      // A line feed without its carriage return is for the parser to refuse.
      const at = head.parse(this.#bytes, 0, headEnd)
      return at < 0 ? MALFORMED : start + headEnd - before
    }
    if (added < end - start || this.#length === HEAD_BYTES) {
      head.problem = 'a head that is too large'
      return MALFORMED
    }
    return INCOMPLETE
  }

  /** The position behind the first empty line, or behind a line feed that stands alone, at or after `from`. */
  #endFrom(from: number): number {
    const bytes = this.#bytes
    for (let at = from; at < this.#length; at += 1) {
      if (bytes[at] === LF && (bytes[at - 1] !== CR || bytes[at - 2] === LF)) return at + 1
    }
    return INCOMPLETE
  }
}
