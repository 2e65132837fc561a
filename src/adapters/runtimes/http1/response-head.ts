/** The head of an HTTP/1.1 answer (RFC 9112 §4 and §5, framing after §6.3), read strictly. */
// No bare line feeds, no folded lines, no blanks around names, no length given twice: where two readers could disagree on the end of
// an answer, it is refused.
import { limit } from '../../../core/limits.ts'
import { KEPT_EXTENSION_CHARACTERS, KEPT_EXTENSIONS } from '../upstream.ts'
import { COLON, CR, FIELD, INCOMPLETE, LF, MALFORMED, matches, SPACE, TAB, TOKEN } from './octets.ts'

const STATUS_LINE = 'HTTP/1.'
/** `HTTP/1.1 200` */
const STATUS_END = 12
/** Longer numbers are no length of a body, and could not be counted exactly. */
const LENGTH_DIGITS = 15
const HEAD_BYTES = limit('headerBytes')
const HEAD_FIELDS = limit('headerFields')

/** One object a connection, filled anew by each `parse`. */
export class ResponseHead {
  status = 0
  /** What a gateway needs of the fields; made anew for each answer, so that it can be given away. */
  headers: Record<string, string> = {}
  /** -1 where none is given. */
  contentLength = -1
  isChunked = false
  /** Whether the body is compressed. */
  isEncoded = false
  /** Whether the server says that further requests may follow on the connection. */
  persists = false
  /** The server's hint how long it keeps an idle connection; -1 without one. */
  idleSeconds = -1
  /** After MALFORMED: what is wrong, without anything of the answer's own words. */
  problem = ''
  #isOld = false
  #closes = false
  #extensions = 0
  #repeated: Set<string> | undefined

  /** Reads `bytes` from `start` on; returns the position behind the head, INCOMPLETE where `end` comes first, or MALFORMED. */
  parse(bytes: Buffer, start: number, end: number): number {
    this.headers = {}
    this.contentLength = -1
    this.isChunked = false
    this.isEncoded = false
    this.idleSeconds = -1
    this.#closes = false
    this.#extensions = 0
    this.#repeated = undefined
    let at = this.#statusLine(bytes, start, end)
    for (let fields = 0; at >= 0; fields += 1) {
      if (at + 1 >= end) return INCOMPLETE
      if (bytes[at] === CR) {
        if (bytes[at + 1] !== LF) return this.#wrong('a bare carriage return')
        return this.#checked(at + 2, start)
      }
      if (fields === HEAD_FIELDS) return this.#wrong('too many fields')
      at = this.#field(bytes, at, end)
    }
    return at
  }

  #statusLine(bytes: Buffer, start: number, end: number): number {
    for (let index = 0; index < STATUS_LINE.length; index += 1) {
      if (start + index === end) return INCOMPLETE
      if (bytes[start + index] !== STATUS_LINE.charCodeAt(index)) return this.#wrong('no status line')
    }
    if (end - start <= STATUS_END) return INCOMPLETE
    const minor = (bytes[start + 7] as number) - 0x30
    const hundreds = (bytes[start + 9] as number) - 0x30
    const tens = (bytes[start + 10] as number) - 0x30
    const ones = (bytes[start + 11] as number) - 0x30
    if ((minor !== 0 && minor !== 1) || bytes[start + 8] !== SPACE) return this.#wrong('no version of HTTP/1')
    if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return this.#wrong('no status')
    this.status = hundreds * 100 + tens * 10 + ones
    this.persists = minor === 1
    this.#isOld = minor === 0
    let at = start + STATUS_END
    if (bytes[at] !== SPACE && bytes[at] !== CR) return this.#wrong('no status')
    while (at < end && FIELD[bytes[at] as number] === 1) at += 1
    return this.#lineEnd(bytes, at, end)
  }

  #field(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && TOKEN[bytes[at] as number] === 1) at += 1
    if (at === end) return INCOMPLETE
    if (bytes[at] !== COLON || at === start) return this.#wrong('a field without a proper name')
    const nameEnd = at
    at += 1
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1
    const valueStart = at
    while (at < end && FIELD[bytes[at] as number] === 1) at += 1
    const next = this.#lineEnd(bytes, at, end)
    if (next < 0) return next
    while (at > valueStart && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at -= 1
    return this.#keep(bytes, start, nameEnd, valueStart, at) ? next : MALFORMED
  }

  #lineEnd(bytes: Buffer, at: number, end: number): number {
    if (at < end && bytes[at] !== CR) return this.#wrong('a control character in a line')
    if (at + 1 >= end) return INCOMPLETE
    return bytes[at + 1] === LF ? at + 2 : this.#wrong('a bare carriage return')
  }

  /** Takes from a field what is needed; false where it is wrong. */
  #keep(bytes: Buffer, start: number, nameEnd: number, from: number, to: number): boolean {
    switch (nameEnd - start) {
      case 10:
        if (matches(bytes, start, 'connection')) this.#connection(bytes, from, to)
        else if (matches(bytes, start, 'keep-alive')) this.#keepAlive(bytes, from, to)
        break
      case 11:
        if (matches(bytes, start, 'retry-after')) this.#add('retry-after', bytes, from, to)
        break
      case 12:
        if (matches(bytes, start, 'content-type')) this.#add('content-type', bytes, from, to)
        break
      case 14:
        if (matches(bytes, start, 'content-length')) return this.#length(bytes, from, to)
        if (matches(bytes, start, 'retry-after-ms')) this.#add('retry-after-ms', bytes, from, to)
        break
      case 16:
        if (matches(bytes, start, 'content-encoding') && !isPlain(bytes, from, to)) this.isEncoded = true
        break
      case 17:
        if (matches(bytes, start, 'transfer-encoding')) return this.#transferEncoding(bytes, from, to)
        break
      default:
    }
    if (((bytes[start] as number) | 0x20) === 0x78 && bytes[start + 1] === 0x2d) {
      this.#extension(bytes.toString('latin1', start, nameEnd).toLowerCase(), bytes, from, to)
    }
    return true
  }

  #add(name: string, bytes: Buffer, from: number, to: number): void {
    const before = this.headers[name]
    const value = bytes.toString('latin1', from, to)
    this.headers[name] = before === undefined ? value : `${before}, ${value}`
  }

  /** `x-…`: few and short ones; one that comes twice says nothing for sure. */
  #extension(name: string, bytes: Buffer, from: number, to: number): void {
    if (this.headers[name] !== undefined) {
      delete this.headers[name]
      this.#repeated ??= new Set()
      this.#repeated.add(name)
      return
    }
    if (this.#extensions === KEPT_EXTENSIONS || to - from > KEPT_EXTENSION_CHARACTERS) return
    if (this.#repeated?.has(name) === true) return
    this.headers[name] = bytes.toString('latin1', from, to)
    this.#extensions += 1
  }

  #length(bytes: Buffer, from: number, to: number): boolean {
    if (this.contentLength !== -1) return this.#refuse('a length given twice')
    if (to === from || to - from > LENGTH_DIGITS) return this.#refuse('no proper length')
    let length = 0
    for (let at = from; at < to; at += 1) {
      const digit = (bytes[at] as number) - 0x30
      if (digit < 0 || digit > 9) return this.#refuse('no proper length')
      length = length * 10 + digit
    }
    this.contentLength = length
    this.headers['content-length'] = String(length)
    return true
  }

  #transferEncoding(bytes: Buffer, from: number, to: number): boolean {
    // Anything else we did not ask for and could not read.
    if (this.isChunked || to - from !== 7 || !matches(bytes, from, 'chunked'))
      return this.#refuse('a transfer encoding besides chunked')
    this.isChunked = true
    return true
  }

  #connection(bytes: Buffer, from: number, to: number): void {
    if (to - from === 10 && matches(bytes, from, 'keep-alive')) {
      this.persists = !this.#closes
      return
    }
    for (const option of bytes.toString('latin1', from, to).toLowerCase().split(',')) {
      if (option.trim() === 'close') this.#closes = true
    }
    if (this.#closes) this.persists = false
  }

  #keepAlive(bytes: Buffer, from: number, to: number): void {
    const seconds = /(?:^|[\s,])timeout=(\d{1,9})(?:$|[\s,])/i.exec(bytes.toString('latin1', from, to))?.[1]
    if (seconds !== undefined) this.idleSeconds = Number(seconds)
  }

  /** What only the whole head tells. */
  #checked(next: number, start: number): number {
    if (next - start > HEAD_BYTES) return this.#wrong('a head that is too large')
    // HTTP/1.0 has neither; whoever sends them so has mixed something up.
    if (this.#isOld && (this.isChunked || this.status < 200)) return this.#wrong('a part that HTTP/1.0 does not have')
    if (this.isChunked && this.contentLength !== -1) {
      // RFC 9112 §6.3: the encoding counts, and whoever sends both is not to be trusted with a further request.
      delete this.headers['content-length']
      this.contentLength = -1
      this.persists = false
    }
    return next
  }

  #wrong(problem: string): typeof MALFORMED {
    this.problem = problem
    return MALFORMED
  }

  #refuse(problem: string): false {
    this.problem = problem
    return false
  }
}

function isPlain(bytes: Buffer, from: number, to: number): boolean {
  return to === from || (to - from === 8 && matches(bytes, from, 'identity'))
}
