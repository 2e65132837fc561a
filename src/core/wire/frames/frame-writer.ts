/** Writes frames one after another into few large arrays, so that the frames of one turn of the event loop leave in one write. */
import { limit } from '../../limits.ts'
import type { MessageHeaders } from '../../message.ts'
import {
  FLAG_LAST,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  type Frame,
  type GoAwayFrame,
  HELLO_BYTES,
  HELLO_MAGIC,
  type HeadFrame,
  type HelloFrame,
  MAX_PAYLOAD_BYTES,
  type OpenFrame,
} from './frame.ts'
import { HEADER_INDEX, KNOWN_NAME, LITERAL_NAME_BYTES } from './header-names.ts'
import type { FrameRefusal, FrameRefusalKind } from './refusal.ts'
import { type Alphabet, HEADER_NAME, METHOD, VISIBLE, writeAscii, writeHeaderValue } from './text.ts'

/** Frames are collected in arrays of this size. */
const BLOCK_BYTES = 32 * 1024
/** Bodies of at least this size are handed on as they are; smaller ones cost less to copy than to keep apart. */
const SHARED_BODY_BYTES = 4 * 1024
const NAME_BYTES = limit('meshNameBytes')
const METHOD_BYTES = limit('meshMethodBytes')
const PATH_BYTES = limit('urlBytes')
const HEADER_FIELDS = limit('headerFields')
const HEADER_BYTES = limit('headerBytes')

/** What `open` needs to know of a request. */
export type OpenFields = Omit<OpenFrame, 'kind' | 'stream' | 'isLast'>
export type HeadFields = Omit<HeadFrame, 'kind' | 'stream' | 'isLast'>

/** Arrays that were taken are never written again, so that transports may keep them. */
export class FrameWriter {
  #block = new Uint8Array(0)
  /** Where the bytes of `#block` begin that are not in `#chunks` yet. */
  #from = 0
  #at = 0
  /** Where the frame begins that is being written. */
  #frame = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0

  /** Bytes written and not taken. */
  get pendingBytes(): number {
    return this.#chunkBytes + this.#at - this.#from
  }

  /** Everything written since the last call, in order. */
  take(): readonly Uint8Array[] {
    this.#cut()
    const chunks = this.#chunks
    this.#chunks = []
    this.#chunkBytes = 0
    return chunks
  }

  /** Writes a frame of any kind; refuses an open or head whose fields the protocol does not allow, and then writes nothing. */
  write(frame: Frame): FrameRefusal | undefined {
    switch (frame.kind) {
      case 'hello':
        return this.hello(frame)
      case 'open':
        return this.open(frame.stream, frame, frame.isLast)
      case 'head':
        return this.head(frame.stream, frame, frame.isLast)
      case 'body':
        return this.body(frame.stream, frame.bytes, frame.isLast)
      case 'end':
        return this.end(frame.stream)
      case 'reset':
        return this.reset(frame.stream, frame.code)
      case 'window':
        return this.window(frame.stream, frame.credit)
      case 'ping':
      case 'pong':
        return this.ping(frame.kind, frame.token)
      case 'goAway':
        return this.goAway(frame)
      default:
        return frame satisfies never
    }
  }

  hello(hello: Omit<HelloFrame, 'kind'>): undefined {
    this.#begin(FRAME_TYPES.hello, 0, 0, HELLO_BYTES)
    for (const byte of HELLO_MAGIC) this.#u8(byte)
    this.#u16(hello.least)
    this.#u16(hello.most)
    this.#u32(hello.features)
    this.#u32(hello.windowBytes)
    this.#u32(hello.openRequests)
    this.#finish()
  }

  open(stream: number, fields: OpenFields, isLast: boolean): FrameRefusal | undefined {
    this.#begin(FRAME_TYPES.open, isLast ? FLAG_LAST : 0, stream, 3 + 2 * NAME_BYTES + METHOD_BYTES)
    const fault =
      this.#name(fields.id, NAME_BYTES, VISIBLE, 'request_id') ??
      this.#name(fields.service, NAME_BYTES, VISIBLE, 'service') ??
      this.#name(fields.method, METHOD_BYTES, METHOD, 'method') ??
      this.#path(fields.path) ??
      this.#headers(fields.headers)
    return fault === undefined ? this.#finish() : this.#giveUp(fault, FRAME_TYPES.open, stream)
  }

  head(stream: number, fields: HeadFields, isLast: boolean): FrameRefusal | undefined {
    this.#begin(FRAME_TYPES.head, isLast ? FLAG_LAST : 0, stream, 2)
    this.#u16(fields.status)
    const isStatus = Number.isInteger(fields.status) && fields.status >= 200 && fields.status <= 599
    const fault = isStatus ? this.#headers(fields.headers) : 'status'
    return fault === undefined ? this.#finish() : this.#giveUp(fault, FRAME_TYPES.head, stream)
  }

  /** At most `MAX_PAYLOAD_BYTES`; the writer may keep the array, so nobody may change it. */
  body(stream: number, bytes: Uint8Array, isLast: boolean): undefined {
    if (bytes.length > MAX_PAYLOAD_BYTES) throw new RangeError('a body frame is too long for its header')
    const isShared = bytes.length >= SHARED_BODY_BYTES
    this.#begin(FRAME_TYPES.body, isLast ? FLAG_LAST : 0, stream, isShared ? 0 : bytes.length)
    if (isShared) {
      this.#setLength(bytes.length)
      this.#cut()
      this.#chunks.push(bytes)
      this.#chunkBytes += bytes.length
      return
    }
    this.#block.set(bytes, this.#at)
    this.#at += bytes.length
    this.#finish()
  }

  end(stream: number): undefined {
    this.#begin(FRAME_TYPES.end, 0, stream, 0)
    this.#finish()
  }

  reset(stream: number, code: number): undefined {
    this.#begin(FRAME_TYPES.reset, 0, stream, 2)
    this.#u16(code)
    this.#finish()
  }

  window(stream: number, credit: number): undefined {
    this.#begin(FRAME_TYPES.window, 0, stream, 4)
    this.#u32(credit)
    this.#finish()
  }

  ping(kind: 'ping' | 'pong', token: number): undefined {
    this.#begin(FRAME_TYPES[kind], 0, 0, 4)
    this.#u32(token)
    this.#finish()
  }

  goAway({ code, lastStream }: Omit<GoAwayFrame, 'kind'>): undefined {
    this.#begin(FRAME_TYPES.goAway, 0, 0, 6)
    this.#u16(code)
    this.#u32(lastStream)
    this.#finish()
  }

  /** @param payloadBytes room that is needed at least; text makes room for itself */
  #begin(type: number, flags: number, stream: number, payloadBytes: number): void {
    this.#frame = this.#at
    this.#room(FRAME_HEADER_BYTES + payloadBytes)
    this.#block[this.#at] = type
    this.#block[this.#at + 1] = flags
    this.#at += 4
    this.#u32(stream)
  }

  #finish(): undefined {
    this.#setLength(this.#at - this.#frame - FRAME_HEADER_BYTES)
  }

  #setLength(length: number): void {
    this.#block[this.#frame + 2] = length >>> 8
    this.#block[this.#frame + 3] = length
  }

  #giveUp(kind: FrameRefusalKind, type: number, stream: number): FrameRefusal {
    this.#at = this.#frame
    return { kind, type, stream }
  }

  /** Makes room for `bytes` at `#at`; a frame that was begun moves to the next block with it. */
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return
    const begun = this.#block.subarray(this.#frame, this.#at)
    this.#at = this.#frame
    this.#cut()
    this.#block = new Uint8Array(Math.max(BLOCK_BYTES, 2 * begun.length + bytes))
    this.#block.set(begun)
    this.#from = 0
    this.#frame = 0
    this.#at = begun.length
  }

  #cut(): void {
    if (this.#at === this.#from) return
    const chunk = this.#block.subarray(this.#from, this.#at)
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.length
    this.#from = this.#at
  }

  #name(text: string, maxBytes: number, alphabet: Alphabet, kind: FrameRefusalKind): FrameRefusalKind | undefined {
    if (text.length === 0 || text.length > maxBytes) return kind
    const end = writeAscii(text, this.#block, this.#at + 1, alphabet)
    if (end === -1) return kind
    this.#u8(text.length)
    this.#at = end
    return undefined
  }

  #path(path: string): FrameRefusalKind | undefined {
    if (path.length > PATH_BYTES) return 'path_length'
    if (path.charCodeAt(0) !== 0x2f) return 'path'
    this.#room(2 + path.length)
    const end = writeAscii(path, this.#block, this.#at + 2, VISIBLE)
    if (end === -1) return 'path'
    this.#u16(path.length)
    this.#at = end
    return undefined
  }

  #headers(headers: MessageHeaders): FrameRefusalKind | undefined {
    const names = Object.keys(headers)
    if (names.length > HEADER_FIELDS) return 'header_count'
    this.#room(1)
    this.#u8(names.length)
    const before = this.#at - this.#frame
    for (const name of names) {
      const fault = this.#header(name, headers[name] as string)
      if (fault !== undefined) return fault
      if (this.#at - this.#frame - before > HEADER_BYTES) return 'header_bytes'
    }
    return undefined
  }

  #header(name: string, value: string): FrameRefusalKind | undefined {
    if (value.length > HEADER_BYTES) return 'header_bytes'
    this.#room(3 + LITERAL_NAME_BYTES + 3 * value.length)
    const known = HEADER_INDEX.get(name)
    if (known !== undefined) this.#u8(KNOWN_NAME | known)
    else {
      // A name that objects give a meaning of their own could not be kept apart from it by the receiver.
      if (name === '__proto__') return 'header_name'
      const fault = this.#name(name, LITERAL_NAME_BYTES, HEADER_NAME, 'header_name')
      if (fault !== undefined) return fault
    }
    const end = writeHeaderValue(value, this.#block, this.#at + 2)
    if (end === -1) return 'header_value'
    this.#u16(end - this.#at - 2)
    this.#at = end
    return undefined
  }

  #u8(value: number): void {
    this.#block[this.#at++] = value
  }

  #u16(value: number): void {
    this.#block[this.#at++] = value >>> 8
    this.#block[this.#at++] = value
  }

  #u32(value: number): void {
    this.#block[this.#at++] = value >>> 24
    this.#block[this.#at++] = value >>> 16
    this.#block[this.#at++] = value >>> 8
    this.#block[this.#at++] = value
  }
}

/** One frame as bytes of its own; throws RangeError where the protocol does not allow its fields. */
export function encodeFrame(frame: Frame): Uint8Array {
  const writer = new FrameWriter()
  const refusal = writer.write(frame)
  if (refusal !== undefined) throw new RangeError(`the frame breaks the protocol: ${refusal.kind}`)
  const chunks = writer.take()
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
