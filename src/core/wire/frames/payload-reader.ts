/** Reads the payloads of open and head frames: fields one after another, each with its length first. */
import { limit } from '../../limits.ts'
import type { MessageHeaders } from '../../message.ts'
import { FRAME_TYPES, type HeadFrame, type OpenFrame } from './frame.ts'
import { HEADER_NAMES, KNOWN_NAME, LITERAL_NAME_BYTES } from './header-names.ts'
import type { FrameRefusalKind, RefusedFrame } from './refusal.ts'
import { HEADER_NAME, HEADER_VALUE, METHOD, TextReader, VISIBLE } from './text.ts'

const NAME_BYTES = limit('meshNameBytes')
const METHOD_BYTES = limit('meshMethodBytes')
const PATH_BYTES = limit('urlBytes')
const HEADER_FIELDS = limit('headerFields')
const HEADER_BYTES = limit('headerBytes')
const NOTHING = new Uint8Array(0)

/** Never throws: what breaks the protocol comes back as a refused frame. */
export class PayloadReader {
  readonly #texts = new TextReader()
  #bytes: Uint8Array = NOTHING
  #at = 0
  #end = 0
  #fault: FrameRefusalKind | undefined

  /** The open frame whose payload is `bytes[from, to)`. */
  open(stream: number, isLast: boolean, bytes: Uint8Array, from: number, to: number): OpenFrame | RefusedFrame {
    this.#start(bytes, from, to)
    const id = this.#requestId()
    const service = this.#name(NAME_BYTES, VISIBLE, 'service')
    const method = this.#name(METHOD_BYTES, METHOD, 'method')
    const path = this.#path()
    const headers = this.#headers()
    return (
      this.#refused(FRAME_TYPES.open, stream) ?? { kind: 'open', stream, isLast, id, service, method, path, headers }
    )
  }

  /** The head frame whose payload is `bytes[from, to)`. */
  head(stream: number, isLast: boolean, bytes: Uint8Array, from: number, to: number): HeadFrame | RefusedFrame {
    this.#start(bytes, from, to)
    const status = this.#u16()
    if (status < 200 || status > 599) this.#fail('status')
    const headers = this.#headers()
    return this.#refused(FRAME_TYPES.head, stream) ?? { kind: 'head', stream, isLast, status, headers }
  }

  #start(bytes: Uint8Array, from: number, to: number): void {
    this.#bytes = bytes
    this.#at = from
    this.#end = to
    this.#fault = undefined
  }

  #refused(type: number, stream: number): RefusedFrame | undefined {
    if (this.#at < this.#end) this.#fail('bytes_left')
    this.#bytes = NOTHING
    const kind = this.#fault
    return kind === undefined ? undefined : { kind: 'refused', stream, refusal: { kind, type, stream } }
  }

  /** Keeps the first fault; what is read after it means nothing. */
  #fail(kind: FrameRefusalKind): string {
    this.#fault ??= kind
    this.#at = this.#end
    return ''
  }

  #u8(): number {
    if (this.#at < this.#end) return this.#bytes[this.#at++] as number
    this.#fail('cut_short')
    return 0
  }

  #u16(): number {
    const high = this.#u8()
    return (high << 8) | this.#u8()
  }

  /** Where the next `length` bytes end, or -1. */
  #take(length: number): number {
    const end = this.#at + length
    if (end <= this.#end) return end
    this.#fail('cut_short')
    return -1
  }

  #requestId(): string {
    const length = this.#u8()
    if (length === 0 || length > NAME_BYTES) return this.#fail('request_id')
    const end = this.#take(length)
    if (end === -1) return ''
    const text = this.#texts.readOnce(this.#bytes, this.#at, end, VISIBLE)
    this.#at = end
    return text ?? this.#fail('request_id')
  }

  #name(maxBytes: number, alphabet: Uint8Array, kind: FrameRefusalKind): string {
    const length = this.#u8()
    return length === 0 || length > maxBytes ? this.#fail(kind) : this.#text(length, alphabet, kind)
  }

  #text(length: number, alphabet: Uint8Array, kind: FrameRefusalKind): string {
    const end = this.#take(length)
    if (end === -1) return ''
    const text = this.#texts.read(this.#bytes, this.#at, end, alphabet)
    this.#at = end
    return text ?? this.#fail(kind)
  }

  #path(): string {
    const length = this.#u16()
    if (length > PATH_BYTES) return this.#fail('path_length')
    const path = this.#text(length, VISIBLE, 'path')
    return path.charCodeAt(0) === 0x2f ? path : this.#fail('path')
  }

  #headers(): MessageHeaders {
    const headers: Record<string, string> = {}
    const count = this.#u8()
    if (count > HEADER_FIELDS) this.#fail('header_count')
    if (this.#end - this.#at > HEADER_BYTES) this.#fail('header_bytes')
    for (let index = 0; index < count && this.#fault === undefined; index += 1) {
      const name = this.#headerName()
      if (this.#fault !== undefined) break
      if (headers[name] !== undefined && Object.hasOwn(headers, name)) this.#fail('header_repeated')
      headers[name] = this.#text(this.#u16(), HEADER_VALUE, 'header_value')
    }
    return headers
  }

  #headerName(): string {
    const first = this.#u8()
    if (first >= KNOWN_NAME) return HEADER_NAMES[first - KNOWN_NAME] ?? this.#fail('header_name')
    const name = this.#literalName(first)
    // Assigning to this name would change what the object inherits.
    return name === '__proto__' ? this.#fail('header_name') : name
  }

  #literalName(length: number): string {
    return length === 0 || length > LITERAL_NAME_BYTES
      ? this.#fail('header_name')
      : this.#text(length, HEADER_NAME, 'header_name')
  }
}
