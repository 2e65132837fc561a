/** Takes frames out of bytes that come in pieces of any size. */
import { limit } from '../../limits.ts'
import { FLAG_LAST, FRAME_HEADER_BYTES, FRAME_TYPES, type Frame, HELLO_BYTES, HELLO_MAGIC } from './frame.ts'
import { PayloadReader } from './payload-reader.ts'
import type { FrameRefusal, FrameRefusalKind, RefusedFrame } from './refusal.ts'

interface FrameRule {
  readonly leastBytes: number
  readonly mostBytes: number
  /** Whether the frame belongs to a request and so names one. */
  readonly hasStream: boolean
}

/** Frames that may get further fields in a later version; receivers ignore what they do not know. */
const GROWING_BYTES = 1024
/** The largest stream id: 31 bits, so that ids stay small integers everywhere. */
const MAX_STREAM = 0x7fff_ffff

const RULES: ReadonlyMap<number, FrameRule> = new Map([
  [FRAME_TYPES.hello, { leastBytes: HELLO_BYTES, mostBytes: GROWING_BYTES, hasStream: false }],
  [FRAME_TYPES.open, { leastBytes: 10, mostBytes: limit('meshOpenBytes'), hasStream: true }],
  [FRAME_TYPES.head, { leastBytes: 3, mostBytes: limit('meshOpenBytes'), hasStream: true }],
  [FRAME_TYPES.body, { leastBytes: 0, mostBytes: limit('meshPayloadBytes'), hasStream: true }],
  [FRAME_TYPES.end, { leastBytes: 0, mostBytes: 0, hasStream: true }],
  [FRAME_TYPES.reset, { leastBytes: 2, mostBytes: GROWING_BYTES, hasStream: true }],
  [FRAME_TYPES.window, { leastBytes: 4, mostBytes: 4, hasStream: true }],
  [FRAME_TYPES.ping, { leastBytes: 4, mostBytes: 4, hasStream: false }],
  [FRAME_TYPES.pong, { leastBytes: 4, mostBytes: 4, hasStream: false }],
  [FRAME_TYPES.goAway, { leastBytes: 6, mostBytes: GROWING_BYTES, hasStream: false }],
])
const RULE_OF: readonly (FrameRule | undefined)[] = Array.from({ length: 256 }, (_, type) => RULES.get(type))

/**
 * What a decoder hands over. A body frame may come in several parts as its bytes arrive, only the last of them `isLast`;
 * its bytes are a view of what was pushed. A frame of an unknown type comes as `skipped`, so that it can be counted.
 */
export type Decoded = Frame | RefusedFrame | { readonly kind: 'skipped'; readonly type: number }

/** Holds at most the header or the payload of one frame; of bodies and skipped frames nothing. Never throws. */
export class FrameDecoder {
  readonly #onFrame: (frame: Decoded) => void
  readonly #payloads = new PayloadReader()
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #type = 0
  #flags = 0
  #stream = 0
  #rule: FrameRule | undefined
  /** Bytes of the payload that are still to come; -1 between frames. */
  #missing = -1
  /** The beginning of a payload whose rest did not come with it. */
  #partial: Uint8Array | undefined
  #refusal: FrameRefusal | undefined
  #stopped = false

  constructor(onFrame: (frame: Decoded) => void) {
    this.#onFrame = onFrame
  }

  /** Takes the next bytes; a refusal means that nothing after it can be read, now or later. */
  push(bytes: Uint8Array): FrameRefusal | undefined {
    let at = 0
    while (!this.#stopped) {
      if (this.#missing === -1) {
        at = this.#readHeader(bytes, at)
        if (this.#missing === -1 || this.#stopped) break
      }
      const end = Math.min(bytes.length, at + this.#missing)
      if (at === end && this.#missing > 0) break
      this.#readPayload(bytes, at, end)
      at = end
    }
    return this.#refusal
  }

  /** No frame comes after this, not even of the bytes that are being pushed. */
  stop(): void {
    this.#stopped = true
    this.#partial = undefined
  }

  /** Returns where the payload begins; `#missing` stays -1 while the header is not whole. */
  #readHeader(bytes: Uint8Array, at: number): number {
    if (this.#headerBytes === 0 && bytes.length - at >= FRAME_HEADER_BYTES) {
      this.#begin(bytes, at)
      return at + FRAME_HEADER_BYTES
    }
    const end = Math.min(bytes.length, at + FRAME_HEADER_BYTES - this.#headerBytes)
    for (; at < end; at += 1) this.#header[this.#headerBytes++] = bytes[at] as number
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      this.#headerBytes = 0
      this.#begin(this.#header, 0)
    }
    return at
  }

  #begin(bytes: Uint8Array, at: number): void {
    this.#type = bytes[at] as number
    this.#flags = bytes[at + 1] as number
    this.#stream = u32(bytes, at + 4)
    const length = u16(bytes, at + 2)
    const rule = RULE_OF[this.#type]
    this.#rule = rule
    this.#missing = length
    if (rule === undefined) return
    if (length < rule.leastBytes || length > rule.mostBytes) return this.#refuse('payload_length')
    if (rule.hasStream !== this.#stream > 0 || this.#stream > MAX_STREAM) this.#refuse('stream')
  }

  #readPayload(bytes: Uint8Array, from: number, to: number): void {
    this.#missing -= to - from
    if (this.#rule === undefined) {
      if (this.#missing === 0) this.#done({ kind: 'skipped', type: this.#type })
      return
    }
    if (this.#type === FRAME_TYPES.body) return this.#bodyPart(bytes, from, to)
    const partial = this.#partial
    if (partial !== undefined) {
      partial.set(view(bytes, from, to), partial.length - this.#missing - (to - from))
      if (this.#missing > 0) return
      this.#partial = undefined
      return this.#whole(partial, 0, partial.length)
    }
    if (this.#missing === 0) return this.#whole(bytes, from, to)
    this.#partial = new Uint8Array(to - from + this.#missing)
    this.#partial.set(view(bytes, from, to))
  }

  #bodyPart(bytes: Uint8Array, from: number, to: number): void {
    const isLast = this.#missing === 0 && (this.#flags & FLAG_LAST) !== 0
    const frame = { kind: 'body', stream: this.#stream, isLast, bytes: view(bytes, from, to) } as const
    if (this.#missing === 0) this.#done(frame)
    else this.#onFrame(frame)
  }

  #whole(bytes: Uint8Array, from: number, to: number): void {
    const stream = this.#stream
    const isLast = (this.#flags & FLAG_LAST) !== 0
    switch (this.#type) {
      case FRAME_TYPES.hello:
        return this.#hello(bytes, from)
      case FRAME_TYPES.open:
        return this.#done(this.#payloads.open(stream, isLast, bytes, from, to))
      case FRAME_TYPES.head:
        return this.#done(this.#payloads.head(stream, isLast, bytes, from, to))
      case FRAME_TYPES.end:
        return this.#done({ kind: 'end', stream })
      case FRAME_TYPES.reset:
        return this.#done({ kind: 'reset', stream, code: u16(bytes, from) })
      case FRAME_TYPES.window: {
        const credit = u32(bytes, from)
        if (credit === 0 || credit > MAX_STREAM) return this.#refuse('credit')
        return this.#done({ kind: 'window', stream, credit })
      }
      case FRAME_TYPES.ping:
        return this.#done({ kind: 'ping', token: u32(bytes, from) })
      case FRAME_TYPES.pong:
        return this.#done({ kind: 'pong', token: u32(bytes, from) })
      default:
        return this.#done({ kind: 'goAway', code: u16(bytes, from), lastStream: u32(bytes, from + 2) })
    }
  }

  #hello(bytes: Uint8Array, from: number): void {
    if (HELLO_MAGIC.some((byte, index) => bytes[from + index] !== byte)) return this.#refuse('hello')
    const at = from + HELLO_MAGIC.length
    const [least, most] = [u16(bytes, at), u16(bytes, at + 2)]
    const [features, windowBytes, openRequests] = [u32(bytes, at + 4), u32(bytes, at + 8), u32(bytes, at + 12)]
    if (least === 0 || least > most || windowBytes === 0 || windowBytes > MAX_STREAM) return this.#refuse('hello')
    this.#done({ kind: 'hello', least, most, features, windowBytes, openRequests })
  }

  #done(frame: Decoded): void {
    this.#missing = -1
    this.#onFrame(frame)
  }

  #refuse(kind: FrameRefusalKind): void {
    this.#refusal = { kind, type: this.#type, stream: this.#stream }
    this.stop()
  }
}

const view = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from)

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
const u32 = (bytes: Uint8Array, at: number): number => ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0
